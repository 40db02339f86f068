/** etcd beside Varve: a cluster of as many members as a shard has replicas. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { unavailable } from '../../exit-codes.js'
import { freePorts } from '../../local/free-ports.js'
import { accepts } from '../../local/ports.js'
import type { Cleanup } from '../cleanup.js'
import type { BenchOptions } from '../options.js'
import { findLeader } from './etcd-client.js'
import type { RivalServers } from './redis.js'
import { ServerProcess } from './server-process.js'

const READY_TIMEOUT_MS = 30_000
const POLL_MS = 100

/** Starts the members and waits for a leader, which is then the only endpoint: nothing is to be forwarded. */
export async function startEtcd(
  file: string,
  options: BenchOptions,
  cleanup: Cleanup,
): Promise<RivalServers> {
  const members = options.replicas
  const base = await freePorts(2 * members)
  const peer = (at: number) => `http://127.0.0.1:${base + members + at}`
  const initial = Array.from({ length: members }, (_, at) => `m${at}=${peer(at)}`).join(',')
  const servers = Array.from({ length: members }, (_, at) => {
    const folder = join(cleanup.folder, `etcd-${at}`)
    mkdirSync(folder, { mode: 0o700 })
    const client = `http://127.0.0.1:${base + at}`
    const args = [
      ...['--name', `m${at}`, '--data-dir', join(folder, 'data'), '--log-level', 'error'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer(at), '--initial-advertise-peer-urls', peer(at)],
      ...['--initial-cluster', initial, '--initial-cluster-state', 'new'],
    ]
    return new ServerProcess(`member ${at}`, file, args, join(folder, 'server.log'), cleanup)
  })
  const endpoints = servers.map((_, at) => `127.0.0.1:${base + at}`)
  try {
    const leader = await Promise.race([untilLed(endpoints), ...servers.map(each => each.failed)])
    return { servers, endpoints: [leader] }
  } catch (error) {
    await Promise.all(servers.map(server => server.stop()))
    throw error
  }
}

async function untilLed(endpoints: readonly string[]): Promise<string> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (performance.now() < deadline) {
    const listening = await Promise.all(endpoints.map(accepts))
    const leader = listening.every(Boolean) ? await findLeader(endpoints) : undefined
    if (leader !== undefined) return leader
    await delay(POLL_MS)
  }
  throw unavailable(`etcd: no leader within ${READY_TIMEOUT_MS / 1_000} s`)
}
