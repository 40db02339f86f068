/** Whether an address is free to listen at, and whether something listens there. */

import { connect, createServer } from 'node:net'
import { splitAddress } from '../../src/node/address.js'
import { badUsage, unavailable } from '../exit-codes.js'

/** Ports that are tried for a new node. */
const TRIES_MAX = 500

/**
 * Refuses addresses that cannot be listened at. `remedy` says how the person gets other ones.
 * An address may still be taken between this check and its use; the process that listens then says so.
 */
export async function checkAddressesFree(addresses: readonly string[], remedy: string): Promise<void> {
  const problems = await Promise.all(addresses.map(tryListen))
  const taken = addresses.filter((_, i) => problems[i] === 'EADDRINUSE')
  if (taken.length > 0) {
    const others = taken.length > 1 ? ` (and ${taken.length - 1} more of its addresses)` : ''
    throw unavailable(`${taken[0]} is in use${others}: stop what listens there, or ${remedy}`)
  }
  const at = problems.findIndex(problem => problem !== undefined)
  if (at === -1) return
  if (problems[at] === 'EADDRNOTAVAIL' || problems[at] === 'ENOTFOUND') {
    throw badUsage(
      `${addresses[at]} is no address of this machine: varve up starts local processes; ${remedy}`,
    )
  }
  throw badUsage(`cannot listen at ${addresses[at]} (${problems[at]}): ${remedy}`)
}

/**
 * The first address on the coordinator's host, from the port after the cluster's highest on, that is free and that
 * `isUsable` likes. Rejects where none is.
 */
export async function nextFreeAddress(
  coordinator: string,
  nodes: readonly string[],
  isUsable: (address: string) => boolean,
): Promise<string> {
  const host = coordinator.slice(0, coordinator.lastIndexOf(':'))
  const ports = [coordinator, ...nodes].map(address => splitAddress(address)!.port)
  const first = Math.max(...ports) + 1
  for (let port = first; port <= Math.min(65_535, first + TRIES_MAX); port++) {
    const address = `${host}:${port}`
    if (isUsable(address) && (await tryListen(address)) === undefined) return address
  }
  throw unavailable(`no free port after ${first - 1} at ${host}: choose an address with --address`)
}

/** True if something accepts a connection at the address. */
export function accepts(address: string): Promise<boolean> {
  const { host, port } = splitAddress(address)!
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.setTimeout(1_000, () => end(false))
  })
}

/** The code of the error that listening at the address gives; undefined if it can be listened at. */
function tryListen(address: string): Promise<string | undefined> {
  const { host, port } = splitAddress(address)!
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', error => resolve((error as NodeJS.ErrnoException).code ?? 'unknown'))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
