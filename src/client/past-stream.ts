/** What reads of the past over many entries give back: an iterable that says which moment it is of. */
import type { Horizon, ResolvedMoment } from './moment.js'

/**
 * Items that are read as they are consumed; nothing is asked before the first is wanted, or the moment. To be iterated
 * once. `return()` (a `break` in `for await`) ends it.
 */
export class PastStream<T, M = ResolvedMoment> implements AsyncIterableIterator<T, void, void> {
  readonly #ask: () => Promise<M>
  readonly #items: AsyncGenerator<T, void, void>
  #asked: Promise<M> | undefined

  /** @internal */
  constructor(ask: () => Promise<M>, read: (moment: M) => AsyncGenerator<T, void, void>) {
    this.#ask = ask
    const start = () => this.moment()
    this.#items = (async function* items() {
      yield* read(await start())
    })()
  }

  /** What the moments came to in each shard. Asked for once; rejects as the iteration does. */
  moment(): Promise<M> {
    this.#asked ??= this.#ask()
    return this.#asked
  }

  next(): Promise<IteratorResult<T, void>> {
    return this.#items.next()
  }

  return(): Promise<IteratorResult<T, void>> {
    return this.#items.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}

/** Where the entries of a key ended. */
export interface HistoryEnd {
  horizon: Horizon | undefined
}

/** The entries of a key, newest first. */
export class History<T> extends PastStream<T> {
  readonly #end: HistoryEnd

  /** @internal */
  constructor(
    ask: () => Promise<ResolvedMoment>,
    read: (moment: ResolvedMoment, end: HistoryEnd) => AsyncGenerator<T, void, void>,
  ) {
    const end: HistoryEnd = { horizon: undefined }
    super(ask, moment => read(moment, end))
    this.#end = end
  }

  /**
   * Once all entries were read: undefined where these are all that were ever written, else the horizon below which the
   * older ones were dropped by retention.
   */
  get horizon(): Horizon | undefined {
    return this.#end.horizon
  }
}
