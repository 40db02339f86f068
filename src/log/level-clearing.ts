import type { GroupCommit } from './group-commit.js'
import type { LevelDatabase } from './level-database.js'
import { recordKey } from './level-keys.js'
import type { ClearRange } from './log-disk.js'

/** Records removed in one synced batch: their keys are small, and an append waits for one such batch at most. */
const SLICE_RECORDS = 512

/**
 * Removes a log's records that a base stands for, slice by slice, in batches that appends share. Each slice finds its
 * keys anew and waits until no iterator is open (`IteratorGate`). A crash leaves some of them; they are found at the next open.
 */
export class LevelClearing {
  readonly #shard: number
  readonly #database: LevelDatabase
  readonly #commit: GroupCommit
  #work: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(shard: number, database: LevelDatabase, commit: GroupCommit) {
    this.#shard = shard
    this.#database = database
    this.#commit = commit
  }

  /** Removes these once all that was written before is durable. */
  start(ranges: readonly ClearRange[]): void {
    this.#work = this.#work
      .then(() => this.#run(ranges))
      // A failed write was told to everybody by the store; whatever else is left is found at the next open.
      .catch(() => {})
  }

  /** Resolves when all is removed, or nothing more will be. */
  async finished(): Promise<void> {
    for (let work: Promise<void> | undefined; work !== this.#work; ) {
      work = this.#work
      await work
    }
  }

  /** Ends after the slice that is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.finished()
  }

  async #run(ranges: readonly ClearRange[]): Promise<void> {
    await this.#commit.settled()
    for (const range of ranges) await this.#clear(range)
  }

  async #clear({ epoch, firstIndex, lastIndex }: ClearRange): Promise<void> {
    const first = recordKey(this.#shard, epoch, firstIndex)
    const lte = recordKey(this.#shard, epoch, lastIndex)
    let gte = first
    let count = 0
    while (!this.#isStopped) {
      const keys = await this.#database.firstKeys({ gte, lte }, SLICE_RECORDS)
      const last = keys[keys.length - 1]
      if (last === undefined) break
      await this.#database.whileNoIteratorIsOpen(async () => {
        for (const key of keys) this.#commit.delete(key)
        await this.#commit.settled()
      })
      gte = last
      count += keys.length
    }
    if (count > 0 && !this.#isStopped) await this.#database.compact(first, lte)
  }
}
