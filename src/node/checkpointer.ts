/**
 * When checkpoints are written. A checkpoint costs some 50 bytes a key and saves a restart about 1 us an entry, so
 * one is due when the log has grown by as many entries as the shard has keys, and by a floor that keeps small shards
 * from writing all the time. A failed one is tried again; the log is whole without it.
 */
import type { BlobStore } from '../log/blob-store.js'
import { reasonOf } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { Logger } from '../log/logger.js'
import { saveCheckpoint } from '../projection/checkpoint.js'
import type { ShardProjection } from '../projection/shard-projection.js'

/** Time between two looks at whether a checkpoint is due, ms. */
const LOOK_EVERY_MS = 2_000
/** A running node writes none for fewer new entries. */
const ENTRIES_MIN = 3_000_000
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
      this.#running ??= this.#saveDue(ENTRIES_MIN).finally(() => {
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
    await this.#saveDue(ENTRIES_MIN_AT_END)
  }

  async #saveDue(entriesMin: number): Promise<void> {
    for (const each of this.#shards) {
      const { log, projection } = each.shard
      const grown = projection.committedIndex - each.lastIndex
      if (grown < entriesMin || grown < projection.keyCount / 4) continue
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
