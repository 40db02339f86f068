/** Waits until the replicas of a cluster hold the same. */
import { setTimeout as delay } from 'node:timers/promises'
import { Inspector } from '../../src/client/inspector.js'
import { replicaDifference } from '../../tools/history/replica-log.js'
import type { ChaosCluster } from './chaos-cluster.js'

/** Rejects with what differs when the time is over. Nothing may be written meanwhile. */
export async function converged(cluster: ChaosCluster, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const problem = (await cluster.lacks()) ?? (await difference(cluster))
    if (problem === undefined) return
    if (performance.now() > deadline) throw new Error(problem)
    await delay(100)
  }
}

async function difference(cluster: ChaosCluster): Promise<string | undefined> {
  using inspector = new Inspector({ timeoutMs: 2_000 })
  return await replicaDifference(inspector, await cluster.map(), address => cluster.nameOf(address))
}
