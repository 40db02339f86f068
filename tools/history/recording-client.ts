/** A client whose calls are recorded as a history. */
import type { ReadResult, VarveClient } from '../../src/client/client.js'
import { VarveError } from '../../src/client/errors.js'
import type { ConsistencyName, ReadOptions, WriteOptions } from '../../src/client/options.js'
import type { WriteResult } from '../../src/client/write-op.js'
import { type HistoryOperation, type HistoryPosition, isWrite } from './history-event.js'
import type { HistorySink } from './history-file.js'

/**
 * Milliseconds of a clock that all processes of one machine share and that never jumps (on Linux CLOCK_MONOTONIC;
 * `performance.now` counts from each process's own start).
 */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export interface RecordingOptions {
  /** Unique in the history. */
  readonly name: string
  readonly sink: HistorySink
  /** The connection's mode, as `connect` was given it: for calls that name none, and for writes that name `session`. */
  readonly consistency: 'strong' | 'weak'
  /** Default {@link machineNowMs}. */
  readonly nowMs?: () => number
}

/** What an operation is before it has ended. */
type Invoked = Pick<
  HistoryOperation,
  'client' | 'id' | 'type' | 'key' | 'value' | 'consistency' | 'intendedMs' | 'invokedMs'
>

type Asked = Pick<Invoked, 'type' | 'key' | 'value' | 'consistency'>

type Ended = Pick<HistoryOperation, 'outcome' | 'position' | 'node' | 'error'> & {
  readonly value?: string | null
}

/**
 * Wraps a client of utf8 keys and values. Each call does what the client's does and is written to the sink as it ends;
 * {@link RecordingClient.close} writes those that have not ended. A write whose condition did not hold counts as failed.
 * `intendedMs` is when the call was to be made (same clock); it is recorded where that was before it was made.
 */
export class RecordingClient {
  readonly #client: VarveClient
  readonly #options: RecordingOptions
  readonly #nowMs: () => number
  readonly #open = new Map<number, Invoked>()
  #lastId = 0

  constructor(client: VarveClient, options: RecordingOptions) {
    this.#client = client
    this.#options = options
    this.#nowMs = options.nowMs ?? machineNowMs
  }

  set(
    key: string,
    value: string,
    options: WriteOptions = {},
    intendedMs?: number,
  ): Promise<WriteResult<string>> {
    const invoked = this.#invoke(
      { type: 'set', key, value, consistency: this.#modeOfWrite(options) },
      intendedMs,
    )
    return this.#ended(invoked, this.#client.set(key, value, options), endOfWrite)
  }

  delete(key: string, options: WriteOptions = {}, intendedMs?: number): Promise<WriteResult<string>> {
    const consistency = this.#modeOfWrite(options)
    const invoked = this.#invoke({ type: 'delete', key, value: null, consistency }, intendedMs)
    return this.#ended(invoked, this.#client.delete(key, options), endOfWrite)
  }

  getEntry(key: string, options: ReadOptions = {}, intendedMs?: number): Promise<ReadResult<string>> {
    const { consistency = this.#options.consistency } = options
    const invoked = this.#invoke({ type: 'get', key, value: null, consistency }, intendedMs)
    return this.#ended(invoked, this.#client.getEntry(key, options), endOfRead)
  }

  /** Reads up to `limit` keys from `start` on, to the end. Resolves with how many there were. */
  scan(
    start: string,
    limit: number,
    options: Pick<ReadOptions, 'consistency' | 'timeoutMs' | 'signal'> = {},
    intendedMs?: number,
  ): Promise<number> {
    const { consistency = this.#options.consistency } = options
    const invoked = this.#invoke({ type: 'scan', key: start, value: null, consistency }, intendedMs)
    return this.#ended(invoked, countItems(this.#client.scan({ ...options, start, limit })), endOfScan)
  }

  /** Writes what has not ended as unknown. The wrapped client stays open; end it first, so that all that can has ended. */
  close(): void {
    for (const invoked of this.#open.values()) {
      const ended = { outcome: 'unknown', position: null, node: null, error: null } as const
      this.#options.sink.write({ ...invoked, returnedMs: null, ...ended })
    }
    this.#open.clear()
  }

  /** A write knows no `session`: it is of the connection's mode then. */
  #modeOfWrite({ consistency }: WriteOptions): ConsistencyName {
    const mode =
      consistency === undefined || consistency === 'session' ? this.#options.consistency : consistency
    return mode
  }

  #invoke({ type, key, value, consistency }: Asked, intendedMs: number | undefined): Invoked {
    this.#lastId += 1
    const { name: client } = this.#options
    const invokedMs = this.#nowMs()
    const late = intendedMs !== undefined && intendedMs < invokedMs ? { intendedMs } : {}
    const invoked = { client, id: this.#lastId, type, key, value, consistency, ...late, invokedMs }
    this.#open.set(invoked.id, invoked)
    return invoked
  }

  async #ended<T>(invoked: Invoked, call: Promise<T>, endOf: (result: T) => Ended): Promise<T> {
    try {
      const result = await call
      this.#record(invoked, endOf(result))
      return result
    } catch (error) {
      this.#record(invoked, endOfError(invoked, error))
      throw error
    }
  }

  #record(invoked: Invoked, ended: Ended): void {
    if (!this.#open.delete(invoked.id)) return
    const returnedMs = this.#nowMs()
    const { value = invoked.value, outcome, position, node, error } = ended
    this.#options.sink.write({ ...invoked, value, returnedMs, outcome, position, node, error })
  }
}

function positionOf({ shard, epoch, index, lamport, committed }: HistoryPosition): HistoryPosition {
  return { shard, epoch, index, lamport, committed }
}

function endOfWrite(result: WriteResult<string>): Ended {
  if (result.applied) return { outcome: 'ok', position: positionOf(result), node: null, error: null }
  return { outcome: 'failed', position: null, node: null, error: 'the condition did not hold' }
}

function endOfRead(result: ReadResult<string>): Ended {
  const { value = null, node } = result
  return { outcome: 'ok', value, position: positionOf(result), node, error: null }
}

function endOfScan(): Ended {
  return { outcome: 'ok', position: null, node: null, error: null }
}

async function countItems(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _item of items) count += 1
  return count
}

function endOfError(invoked: Invoked, thrown: unknown): Ended {
  const error = thrown instanceof VarveError ? `${thrown.code}: ${thrown.message}` : String(thrown)
  const doubt = thrown instanceof VarveError ? thrown.outcome : undefined
  const outcome = isWrite(invoked) ? (doubt ?? 'unknown') : 'failed'
  return { outcome, position: null, node: null, error }
}
