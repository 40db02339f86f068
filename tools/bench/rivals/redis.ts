/** Redis beside Varve: a primary that syncs its file before it answers, and replicas that follow by themselves. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { unavailable } from '../../exit-codes.js'
import { freePorts } from '../../local/free-ports.js'
import type { Cleanup } from '../cleanup.js'
import type { BenchOptions } from '../options.js'
import { RedisConnection } from './redis-client.js'
import { ServerProcess } from './server-process.js'

const READY_TIMEOUT_MS = 30_000
const POLL_MS = 50

/** The running servers, and where to send operations. */
export interface RivalServers {
  readonly servers: readonly ServerProcess[]
  readonly endpoints: readonly string[]
}

/** Starts a primary and its replicas, all with `appendfsync always`, and waits until they follow. */
export async function startRedis(
  file: string,
  options: BenchOptions,
  cleanup: Cleanup,
): Promise<RivalServers> {
  const base = await freePorts(options.replicas)
  const servers = Array.from({ length: options.replicas }, (_, at) => {
    const folder = join(cleanup.folder, `redis-${at}`)
    mkdirSync(folder)
    const follow = at === 0 ? [] : ['--replicaof', '127.0.0.1', String(base)]
    const args = ['--port', String(base + at), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
    const name = at === 0 ? 'primary' : `replica ${at}`
    return new ServerProcess(
      name,
      file,
      [...args, ...durable, ...follow],
      join(folder, 'server.log'),
      cleanup,
    )
  })
  const endpoints = [`127.0.0.1:${base}`]
  try {
    await Promise.race([
      untilFollowed(endpoints[0]!, options.replicas - 1),
      ...servers.map(each => each.failed),
    ])
    return { servers, endpoints }
  } catch (error) {
    await Promise.all(servers.map(server => server.stop()))
    throw error
  }
}

async function untilFollowed(address: string, replicas: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < deadline) {
    const connection = await RedisConnection.open(address).catch(() => undefined)
    const info = await connection?.send(['INFO', 'replication']).catch(() => undefined)
    connection?.close()
    if (String(info).split('state=online').length - 1 === replicas && info !== undefined) return
    await delay(POLL_MS)
  }
  throw unavailable(`redis: ${replicas} replicas did not follow within ${READY_TIMEOUT_MS / 1_000} s`)
}
