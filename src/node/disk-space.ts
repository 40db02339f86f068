/**
 * Writes stop before the disk is full: a failed write ends the process, a refused one does not. The head refuses with
 * RESOURCE_EXHAUSTED while its disk has less room than the watermark; what was acknowledged has its room already.
 */
import { statfs } from 'node:fs/promises'
import { reasonOf } from '../log/errors.js'
import type { Logger } from '../log/logger.js'

/** Free bytes below which a head takes no more writes: room for what is in flight and for compaction. */
export const FREE_SPACE_BYTES_MIN = 128 * 1024 * 1024

/** Time between two looks, ms: at 200 MB/s the disk fills by less than the watermark meanwhile. */
const LOOK_EVERY_MS = 500

export class DiskSpace {
  readonly #dir: string
  readonly #logger: Logger
  #freeBytes = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(dir: string, logger: Logger) {
    this.#dir = dir
    this.#logger = logger
  }

  /** Looks once, and then again and again. */
  async start(): Promise<void> {
    await this.#look()
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Why nothing more should be written, in words; undefined while there is room. */
  get refusal(): string | undefined {
    if (this.#freeBytes >= FREE_SPACE_BYTES_MIN) return undefined
    const [free, least] = [this.#freeBytes, FREE_SPACE_BYTES_MIN].map(bytes => Math.floor(bytes / 1_048_576))
    return `the disk of ${this.#dir} has ${free} MiB free, writes need ${least} MiB: make room`
  }

  async #look(): Promise<void> {
    const before = this.refusal
    try {
      const { bavail, bsize } = await statfs(this.#dir)
      this.#freeBytes = bavail * bsize
    } catch (error) {
      this.#logger.warn({ dir: this.#dir, reason: reasonOf(error) }, 'free space is not known')
    }
    const now = this.refusal
    if (now !== before) this.#logger.warn({ dir: this.#dir }, now ?? 'there is room on the disk again')
  }
}
