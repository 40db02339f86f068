/**
 * When checkpoints are written: for the next start, and for reads of the past, which begin at one. A failed one is
 * tried again; the log is whole without it.
 */
import type { BlobStore } from '../log/blob-store.js'
import { reasonOf } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { Logger } from '../log/logger.js'
import { entriesBetweenCheckpoints, saveCheckpoint } from '../projection/checkpoint.js'
import type { ShardProjection } from '../projection/shard-projection.js'

/** Time between two looks at whether a checkpoint is due, ms. */
const LOOK_EVERY_MS = 2_000
/** A node that ends in order writes one for so many: the next start has less to replay. */
const ENTRIES_MIN_AT_END = 20_000

export interface CheckpointedShard {
  readonly log: Log
  readonly projection: ShardProjection
}

export class Checkpointer {
  readonly #shards: { readonly shard: CheckpointedShard; lastIndex: number }[] = []
  readonly #blobs: BlobStore
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(blobs: BlobStore, logger: Logger) {
    this.#blobs = blobs
    this.#logger = logger
  }

  /** Adds a shard whose newest checkpoint is taken to be at its present end. */
  add(shard: CheckpointedShard): void {
    this.#shards.push({ shard, lastIndex: shard.projection.committedIndex })
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#saveDue(entriesBetweenCheckpoints).finally(() => {
        this.#running = undefined
      })
    }, LOOK_EVERY_MS)
  }

  /** No more checkpoints. Resolves when one that is being written is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  /** The last ones, when the node ends in order and nothing is appended any more. */
  async finish(): Promise<void> {
    await this.stop()
    await this.#saveDue(keyCount => Math.max(ENTRIES_MIN_AT_END, keyCount / 4))
  }

  /** `entriesMin`: by how much the log of a shard with so many keys must have grown. */
  async #saveDue(entriesMin: (keyCount: number) => number): Promise<void> {
    for (const each of this.#shards) {
      const { log, projection } = each.shard
      const grown = projection.committedIndex - each.lastIndex
      if (grown < entriesMin(projection.keyCount)) continue
      try {
        const index = await saveCheckpoint(projection, { log, blobs: this.#blobs, logger: this.#logger })
        each.lastIndex = index ?? each.lastIndex
      } catch (error) {
        this.#logger.warn({ shard: log.shard, reason: reasonOf(error) }, 'no checkpoint was written')
        return
      }
    }
  }
}
