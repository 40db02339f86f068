/** Bases of one replica as a node keeps them: blobs beside the log, checked and installed with the projection. */
import type { BlobStore } from '../log/blob-store.js'
import { LogError, reasonOf } from '../log/errors.js'
import type { Log } from '../log/log.js'
import type { BaseName } from '../log/log-base.js'
import type { Logger } from '../log/logger.js'
import { clearBelowBase, installBase, type PreparedBase, prepareBase } from '../projection/install-base.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import { BaseIntake, baseContentOf } from '../replication/base-blob.js'
import type { BaseKeeper, BaseListener } from '../replication/base-keeper.js'
import type { BaseContent } from '../replication/base-sender.js'

export interface LogBaseKeeperOptions {
  readonly log: Log
  readonly projection: ShardProjection
  readonly blobs: BlobStore
  readonly logger: Logger
  /** The store failed: end the process. */
  readonly onFailed: (error: unknown) => void
}

export class LogBaseKeeper implements BaseKeeper {
  readonly #options: LogBaseKeeperOptions
  readonly #intake: BaseIntake
  #listener: BaseListener | undefined
  #prepared: PreparedBase | undefined
  /** Raised by each base that begins: what was prepared for an older one is thrown away. */
  #round = 0

  constructor(options: LogBaseKeeperOptions) {
    const { log, blobs, onFailed } = options
    this.#options = options
    this.#intake = new BaseIntake({
      shard: log.shard,
      blobs,
      onWritten: sizeBytes => this.#listener?.onWritten(sizeBytes),
      onArrived: base => void this.#prepare(base).catch(onFailed),
      onFailed,
    })
  }

  listen(listener: BaseListener): void {
    this.#listener = listener
  }

  content(): BaseContent | undefined {
    return baseContentOf(this.#options.log, this.#options.blobs)
  }

  begin(base: BaseName): void {
    this.#round += 1
    this.#prepared = undefined
    this.#intake.begin(base)
  }

  write(bytes: Buffer): void {
    this.#intake.write(bytes)
  }

  finish(): void {
    this.#intake.finish()
  }

  install(committedIndex: number): void {
    const { log, projection, blobs, logger, onFailed } = this.#options
    const prepared = this.#prepared
    if (prepared === undefined) throw new Error(`shard ${log.shard}: no base is prepared`)
    this.#prepared = undefined
    installBase(prepared, log, projection, committedIndex)
    const { index } = prepared.base
    logger.info({ shard: log.shard, baseIndex: index, keys: projection.keyCount }, 'base installed')
    void clearBelowBase(log, blobs).catch(onFailed)
  }

  async #prepare(base: BaseName): Promise<void> {
    const { log, blobs, projection, logger } = this.#options
    const round = this.#round
    try {
      const prepared = await prepareBase(log.shard, blobs, base, projection.requestLimits)
      if (round !== this.#round) return
      this.#prepared = prepared
      this.#listener?.onPrepared(base)
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'LOG_DAMAGED')) throw error
      logger.warn({ shard: log.shard, reason: reasonOf(error) }, 'a base that came in is damaged')
      if (round === this.#round) this.#listener?.onDamaged()
    }
  }
}
