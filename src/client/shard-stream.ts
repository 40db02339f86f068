/**
 * Streams of one shard that any of its members can give: when one breaks, another member goes on from where it was.
 * Streams of several shards are merged in the byte order of their keys.
 */
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js'
import { backoffMs } from './backoff.js'
import type { Peer } from './channels.js'
import type { ClientCore } from './core.js'
import { delay } from './delay.js'
import { VarveError } from './errors.js'
import { fromServiceError } from './grpc-errors.js'
import type { CallBounds, ShardTarget } from './shard-call.js'
import { timedOut } from './timed-out.js'
import { cancelled } from './unary.js'

/**
 * The parts of a stream. `start` is called again after each break, and asks for what is still wanted then; `what` names
 * the stream in errors. Throws `VarveError`: DEADLINE_EXCEEDED when no member gave a part for `timeoutMs`.
 */
export async function* shardStream<T>(
  core: ClientCore,
  what: string,
  bounds: CallBounds,
  target: ShardTarget,
  start: (peer: Peer) => ClientReadableStream<T>,
): AsyncGenerator<T, void, void> {
  const { timeoutMs, signal } = bounds
  let end = performance.now() + timeoutMs
  let failure: VarveError | undefined
  for (let attempt = 0; ; attempt++) {
    if (core.closed) throw new VarveError('CLOSED', 'the client is closed')
    if (signal?.aborted) throw cancelled()
    if (performance.now() >= end) throw timedOut(what, timeoutMs, failure)
    let address: string | undefined
    try {
      address = target.address
      for await (const part of partsOf(core, address, bounds, end, start)) {
        attempt = -1
        yield part
        end = performance.now() + timeoutMs
      }
      return
    } catch (error) {
      failure = error as VarveError
      if (failure.code === 'CANCELLED' || !failure.retryable) throw failure
      if (address !== undefined) target.failed(address, failure)
    }
    await delay(backoffMs(Math.max(0, attempt)), signal)
  }
}

/** One attempt, to its end or first failure; `end` is when the first part must be there. */
async function* partsOf<T>(
  core: ClientCore,
  address: string,
  { timeoutMs, signal }: CallBounds,
  end: number,
  start: (peer: Peer) => ClientReadableStream<T>,
): AsyncGenerator<T, void, void> {
  const call = start(core.channels.peer(address))
  let ended: VarveError | undefined
  const stop = (error: VarveError) => {
    ended ??= error
    call.cancel()
  }
  const onAbort = () => stop(cancelled())
  const unlisten = core.onClose(() => stop(new VarveError('UNAVAILABLE', 'the client was closed')))
  signal?.addEventListener('abort', onAbort, { once: true })
  // A cancelled call reports an error that nobody waits for any more.
  call.on('error', () => {})
  const parts = call[Symbol.asyncIterator]() as AsyncIterator<T>
  let waitMs = end - performance.now()
  try {
    for (;;) {
      const timer = Number.isFinite(waitMs)
        ? setTimeout(() => stop(silent(address, timeoutMs)), Math.max(1, waitMs))
        : undefined
      const next = await parts
        .next()
        .catch(error => {
          throw ended ?? fromServiceError(error as ServiceError, address)
        })
        .finally(() => clearTimeout(timer))
      if (ended !== undefined) throw ended
      if (next.done) return
      yield next.value
      waitMs = timeoutMs
    }
  } finally {
    unlisten()
    signal?.removeEventListener('abort', onAbort)
    call.cancel()
  }
}

function silent(address: string, timeoutMs: number): VarveError {
  return new VarveError('DEADLINE_EXCEEDED', `${address} sent nothing for ${Math.round(timeoutMs)} ms`)
}

/** Items with a key, in the byte order of their keys, batch by batch. */
export type KeyedBatches<T> = AsyncIterable<readonly T[]>

/**
 * All items of several sources in the byte order of their keys. A key is in one source only. `open` gets a signal that
 * aborts when the iteration ends, however it does: a source that is still waited for is not waited for any longer.
 */
export async function* mergedByKey<T extends { readonly key: Buffer }>(
  signal: AbortSignal | undefined,
  open: (signal: AbortSignal) => readonly KeyedBatches<T>[],
): AsyncGenerator<T, void, void> {
  const ending = new AbortController()
  const signals = signal === undefined ? [ending.signal] : [ending.signal, signal]
  const cursors = open(AbortSignal.any(signals)).map(source => new BatchCursor(source))
  try {
    await Promise.all(cursors.map(cursor => cursor.advance()))
    const queue = cursors.filter(({ item }) => item !== undefined)
    while (queue.length > 0) {
      const first = smallest(queue)
      yield first.item!
      await first.advance()
      if (first.item === undefined) queue.splice(queue.indexOf(first), 1)
    }
  } finally {
    ending.abort()
    await Promise.allSettled(cursors.map(cursor => cursor.close()))
  }
}

function smallest<T extends { readonly key: Buffer }>(cursors: readonly BatchCursor<T>[]): BatchCursor<T> {
  let first = cursors[0]!
  for (let at = 1; at < cursors.length; at++) {
    if (Buffer.compare(cursors[at]!.item!.key, first.item!.key) < 0) first = cursors[at]!
  }
  return first
}

class BatchCursor<T> {
  /** Where it stands; undefined before the first and past the last item. */
  item: T | undefined
  readonly #batches: AsyncIterator<readonly T[]>
  #batch: readonly T[] = []
  #at = 0

  constructor(source: KeyedBatches<T>) {
    this.#batches = source[Symbol.asyncIterator]()
  }

  /** Moves to the next item. Waits only where a batch ends. */
  advance(): Promise<void> | undefined {
    this.item = this.#batch[this.#at++]
    return this.item === undefined ? this.#turn() : undefined
  }

  async close(): Promise<void> {
    await this.#batches.return?.()
  }

  async #turn(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#batches.next()
      if (done) return
      if (value.length === 0) continue
      this.#batch = value
      this.#at = 1
      this.item = value[0]
      return
    }
  }
}
