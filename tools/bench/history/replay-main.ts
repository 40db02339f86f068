/** The process that replays a log from its first entry, and does nothing else. */

import { LevelLogStore } from '../../../src/log/level-log.js'
import { nullLogger } from '../../../src/log/logger.js'
import { newestCheckpointIndex } from '../../../src/projection/checkpoint.js'
import { LogReplaySource, replaySource } from '../../../src/projection/replay-source.js'
import { serveRequests } from '../../worker/worker.js'

export interface ReplayRequest {
  /** A stopped node's folder with one shard. */
  readonly dir: string
  readonly rounds: number
}

/** One replay. */
export interface ReplayRound {
  readonly entries: number
  readonly keys: number
  readonly ms: number
  /** Of all threads of the process. */
  readonly cpuMs: number
}

serveRequests(async ({ dir, rounds }: ReplayRequest): Promise<ReplayRound[]> => {
  const store = await LevelLogStore.open({ dir, logger: nullLogger, verifyFrom: newestCheckpointIndex })
  try {
    const source = new LogReplaySource(store.log(0), store.blobs)
    const done: ReplayRound[] = []
    for (let round = 0; round < rounds; round++) {
      const cpuBefore = process.cpuUsage()
      const begun = performance.now()
      const { entries, keyCount } = await replaySource(source)
      const { user, system } = process.cpuUsage(cpuBefore)
      const ms = performance.now() - begun
      done.push({ entries, keys: keyCount, ms, cpuMs: (user + system) / 1_000 })
    }
    return done
  } finally {
    await store.close()
  }
})
