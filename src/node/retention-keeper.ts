/**
 * Carries out retention at the replicas of one node: looks now and then at the rules and tags that each shard's log holds,
 * hides what its rules hide, and trims the log where enough of it would go. Each replica does so by itself, so that their
 * logs may begin at different indexes; what they say about what they hold is the same.
 */
import type { BlobStore } from '../log/blob-store.js'
import { LogError, reasonOf } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { Logger } from '../log/logger.js'
import type { HorizonsDue } from '../projection/horizon-due.js'
import { enforceRules, type RuledShard } from '../projection/rules-in-force.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import { trimIndexAt, trimLog } from '../projection/trim.js'

/** Time between two looks at the rules, ms: so long after a rule was set what it hides may still be read. */
export const RETENTION_LOOK_EVERY_MS = 1_000
/** A shard's log is trimmed no more often than this, ms. */
export const TRIM_EVERY_MS = 10_000
/**
 * A trim writes a base, and one is due when as many entries would go as it has keys, and a quarter of what is kept beside
 * them: so a log takes at most about twice the space that its rules ask for, and bases are about as much as is written.
 */
const STUBS_A_KEY = 4
/** While a base is written, the node rests so many times as long as it worked, but no longer than this at a time, ms. */
const REST_FACTOR = 2
const REST_MS_MAX = 40
/** A snapshot that is being read for a watch holds the horizon for so long at most, ms. */
const HELD_MS_MAX = 60_000

export interface RetainedShard extends RuledShard {
  readonly log: Log
  /** No more than this may go now, for the sake of those who follow this replica; 0: nothing. */
  readonly trimmableIndex: () => number
}

export interface RetentionKeeperOptions {
  readonly blobs: BlobStore
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

interface Kept {
  readonly shard: RetainedShard
  /** Indexes of tags' moments, which never change once they are closed. */
  readonly pins: Map<string, number>
  trimmedAtMs: number
  heldSinceMs: number | undefined
}

export class RetentionKeeper {
  readonly #options: RetentionKeeperOptions
  readonly #shards: Kept[] = []
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(options: RetentionKeeperOptions) {
    this.#options = options
  }

  add(shard: RetainedShard): void {
    this.#shards.push({
      shard,
      pins: new Map(),
      trimmedAtMs: Number.NEGATIVE_INFINITY,
      heldSinceMs: undefined,
    })
  }

  start(): void {
    // What rules hide is hidden from the beginning.
    void this.look()
    this.#timer = setInterval(() => void this.look(), RETENTION_LOOK_EVERY_MS)
  }

  /** Trims nothing any more. A base that is being written is given up. */
  stop(): void {
    this.#isStopped = true
    clearInterval(this.#timer)
  }

  /** Looks at all shards now, or waits for the look that is under way; resolves when what was due is done. Never rejects. */
  look(): Promise<void> {
    this.#running ??= this.#lookAtAll().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** One after the other: a node writes one base at a time. */
  async #lookAtAll(): Promise<void> {
    for (const kept of this.#shards) {
      if (this.#isStopped) return
      try {
        const due = await enforceRules(kept.shard, this.#options.now(), kept.pins)
        if (due !== undefined) await this.#trim(kept, due)
      } catch (error) {
        if (this.#isStopped) return
        const { log } = kept.shard
        // A log that was cut or replaced meanwhile is no fault; the others end the process by themselves.
        const isHarmless = error instanceof LogError && error.code === 'LOG_GAP'
        const fields = { shard: log.shard, reason: reasonOf(error) }
        if (isHarmless) this.#options.logger.debug(fields, 'the log was not trimmed')
        else this.#options.logger.warn(fields, 'the log was not trimmed')
      }
    }
  }

  async #trim(kept: Kept, due: HorizonsDue): Promise<void> {
    const { shard } = kept
    const { log, projection } = shard
    const index = trimIndexAt(log, projection, Math.min(due.index, shard.trimmableIndex()))
    const nowMs = performance.now()
    kept.heldSinceMs = projection.horizons.isHeld ? (kept.heldSinceMs ?? nowMs) : undefined
    if (kept.heldSinceMs !== undefined && nowMs - kept.heldSinceMs < HELD_MS_MAX) return
    if (nowMs - kept.trimmedAtMs < TRIM_EVERY_MS || !isWorthIt(projection, index)) return
    kept.trimmedAtMs = nowMs
    const { blobs, logger, now } = this.#options
    const pause = this.#pause()
    await trimLog({ log, projection, blobs, logger, index, writtenMs: now(), keep: due.prefixes, pause })
    kept.trimmedAtMs = performance.now()
  }

  /** Rests between slices of work, so that requests get their share of the processor and the disk. */
  #pause(): () => Promise<void> {
    let since = performance.now()
    return async () => {
      const workedMs = performance.now() - since
      if (workedMs < 1) await new Promise(resolve => setImmediate(resolve))
      else await new Promise(resolve => setTimeout(resolve, Math.min(REST_FACTOR * workedMs, REST_MS_MAX)))
      if (this.#isStopped) throw new LogError('LOG_GAP', 'the node is about to end')
      since = performance.now()
    }
  }
}

function isWorthIt(projection: ShardProjection, index: number): boolean {
  const { log, keyCount, base } = projection
  const cost = keyCount + (base?.entryCount ?? 0) / STUBS_A_KEY
  return index > log.baseIndex && index - log.baseIndex >= cost
}
