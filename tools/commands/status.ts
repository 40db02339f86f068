/** `varve status`: the shards, their replicas and the processes, as they see themselves now. */

import type { Command } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { printObject } from '../output.js'
import { nodesInMap } from '../replica-role.js'
import { type Gathered, type ProcessLine, statusObject, statusText } from '../status-report.js'

/** Long enough for a busy process, short enough not to hold up a look at a broken cluster. */
const STATUS_TIMEOUT_MS_MAX = 3_000

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show the shards, their replicas and learners, and the processes')
    .action((_options, command: Command) => status(command.optsWithGlobals<GlobalOptions>()))
}

async function status(options: GlobalOptions): Promise<void> {
  const timeout = Math.min(options.timeout, STATUS_TIMEOUT_MS_MAX)
  await withInspector({ timeout }, async inspector => {
    const gathered = await gather(inspector, options.endpoints)
    const text = options.output === 'table' ? await statusText(gathered) : ''
    await printObject(options.output, statusObject(gathered), () => text)
  })
}

/** Asks all processes at once; who does not answer is shown as such, and holds up nobody else's answer. */
async function gather(inspector: Inspector, endpoints: readonly string[]): Promise<Gathered> {
  const map = await findShardMap(inspector, endpoints)
  const nodes = await inspector.listNodes(map.coordinator).then(
    list => list.nodes,
    () => undefined,
  )
  const known = [...nodesInMap(map), ...(nodes ?? []).map(({ address }) => address)].sort(byPort)
  const addresses = [...new Set([map.coordinator, ...known])].filter(address => address !== '')
  const processes = await Promise.all(addresses.map(address => ask(inspector, address)))
  return { map, nodes, processes }
}

async function ask(inspector: Inspector, address: string): Promise<ProcessLine> {
  try {
    return { address, status: await inspector.nodeStatus(address), problem: undefined }
  } catch (error) {
    return { address, status: undefined, problem: (error as Error).message }
  }
}

/** Sorts addresses by host, then by the number of the port. */
function byPort(a: string, b: string): number {
  const [hostA, portA] = [a.slice(0, a.lastIndexOf(':')), Number(a.slice(a.lastIndexOf(':') + 1))]
  const [hostB, portB] = [b.slice(0, b.lastIndexOf(':')), Number(b.slice(b.lastIndexOf(':') + 1))]
  return hostA === hostB ? portA - portB : hostA < hostB ? -1 : 1
}
