/** What can be put under load, behind one face: a key is a string of ASCII, a value is bytes. */

import type { Level, System } from './rows.js'

export interface Target {
  /** Writes at that level; resolves when the write is acknowledged. */
  writer(level: 'strong' | 'weak'): (key: string, value: Buffer) => Promise<unknown>
  /** Reads at that level; resolves with the value, or undefined where there is none. */
  reader(level: Level): (key: string) => Promise<Buffer | undefined>
}

/** How long an operation may take before the benchmark gives up. */
const TIMEOUT_MS = 30_000

/** Connects to a system. Connections end with the process. */
export async function connectTarget(system: System, endpoints: readonly string[]): Promise<Target> {
  if (system === 'etcd') return (await import('./rivals/etcd-client.js')).connectEtcd(endpoints)
  if (system === 'redis') return (await import('./rivals/redis-client.js')).connectRedis(endpoints[0]!)
  return connectVarve(endpoints)
}

async function connectVarve(endpoints: readonly string[]): Promise<Target> {
  const { connect } = await import('../../src/client/client.js')
  const client = await connect([...endpoints], {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    timeoutMs: TIMEOUT_MS,
  })
  return {
    writer(level) {
      const options = { consistency: level }
      return (key, value) => client.set(key, value, options)
    },
    reader(level) {
      const options = { consistency: level }
      return key => client.get(key, options)
    },
  }
}
