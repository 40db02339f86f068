/** Ports on the loopback address that nothing listens at. */

import { unavailable } from '../exit-codes.js'
import { checkAddressesFree } from './ports.js'

/** Below what systems give to outgoing connections, which would take a port between the look and its use. */
const LOWEST = 12_000
const HIGHEST = 30_000
const ATTEMPTS = 60

/** Ports handed out before: a process that was told to use one may not listen yet. */
const given = new Set<number>()

/** The first of `count` free ports in a row. Rejects with an unavailable error where none are found. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const base = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count))
    const ports = Array.from({ length: count }, (_, at) => base + at)
    if (ports.some(port => given.has(port)) || !(await areFree(ports))) continue
    for (const port of ports) given.add(port)
    return base
  }
  throw unavailable(
    `no ${count} free ports in a row on 127.0.0.1 between ${LOWEST} and ${HIGHEST} after ${ATTEMPTS} attempts: ` +
      'stop what listens there',
  )
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  try {
    await checkAddressesFree(
      ports.map(port => `127.0.0.1:${port}`),
      '',
    )
    return true
  } catch {
    return false
  }
}
