/** Server streams fed from something that can wait: one message is out at a time, and none when the client has gone. */
import type { ServerWritableStream } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import { toServiceError } from '../client/grpc-errors.js'
import { resetStream } from './grpc-internals.js'
import { asVarveError } from './local-call.js'

/** How long an ended stream may take to reach a client that reads again; then it is cut. */
const CUT_AFTER_MS = 5_000

/** The streams that are open at one service, to be ended together. */
export class OpenStreams {
  readonly #open = new Set<AbortController>()
  #ending: VarveError | undefined

  get count(): number {
    return this.#open.size
  }

  /** Ends all streams with this error; new ones are refused with it. */
  endAll(error: VarveError): void {
    this.#ending = error
    for (const controller of [...this.#open]) controller.abort(error)
  }

  /**
   * Writes what `source` yields until it ends or the client goes, which aborts its signal. What it throws ends the
   * stream with that error.
   */
  async pump<Request, Response>(
    stream: ServerWritableStream<Request, Response>,
    source: (signal: AbortSignal) => AsyncIterable<Response>,
  ): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    const gone = () => controller.abort(new VarveError('CANCELLED', 'the client has gone'))
    stream.on('cancelled', gone)
    stream.on('close', gone)
    stream.on('error', gone)
    this.#open.add(controller)
    try {
      if (stream.cancelled) gone()
      if (this.#ending !== undefined) controller.abort(this.#ending)
      signal.throwIfAborted()
      for await (const message of abortable(source(signal), signal)) await write(stream, message, signal)
      stream.end()
    } catch (error) {
      if (!stream.cancelled && !stream.destroyed)
        fail(stream, asVarveError(signal.aborted ? signal.reason : error))
    } finally {
      this.#open.delete(controller)
    }
  }
}

/** Ends the stream with this error, and by force where its client does not read. */
function fail<Request, Response>(stream: ServerWritableStream<Request, Response>, error: VarveError): void {
  const timer = setTimeout(() => resetStream(stream), CUT_AFTER_MS)
  timer.unref()
  stream.once('close', () => clearTimeout(timer))
  stream.emit('error', toServiceError(error))
}

/** Resolves when the message has left this process. Rejects when the signal aborts first. */
function write<Response>(
  stream: ServerWritableStream<unknown, Response>,
  message: Response,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    stream.write(message, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}

/** Yields until the signal aborts, even where the source does not heed it. */
async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, void> {
  const iterator = source[Symbol.asyncIterator]()
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  aborted.catch(() => {})
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted])
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Not awaited: a source that waits for its next entry would hold the end of the stream back.
    void Promise.resolve(iterator.return?.()).catch(() => {})
  }
}
