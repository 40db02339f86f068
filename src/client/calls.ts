/** From a call of the application to an operation in flight: checks, encoding, shard, promise. */
import { Limits, Operation } from '../log/entry.js'
import { isSystemKeyAt } from '../log/system-key.js'
import { checkAddress } from './channels.js'
import type { ClientCore } from './core.js'
import type { Encoding } from './encoding.js'
import { VarveError } from './errors.js'
import { checkValue, KeyScratch } from './frame-encoder.js'
import {
  type BatchOperation,
  type BatchOptions,
  type CallOptions,
  type ConsistencyName,
  checkTimeout,
  type ReadOptions,
  type WriteCondition,
  type WriteOptions,
} from './options.js'
import { ReadOp } from './read-group.js'
import { FrameConsistency, WriteFlag } from './session-frame.js'
import { WRITE_HEAD_SIZE } from './session-frame-request.js'
import { shardOfKeyAt } from './shard-of-key.js'
import { cancelled } from './unary.js'
import type { WriteLane } from './write-lane.js'
import { BatchCall, WriteOp, type WriteResult } from './write-op.js'

const IF_INDEX_SIZE = 8
const NO_VALUE = Buffer.alloc(0)
const noOptions = {}

/** What a batch did. */
export interface BatchResult<V = unknown> {
  readonly shard: string
  /** False where a condition did not hold: then nothing of the batch was written. */
  readonly applied: boolean
  /** In the order of the operations. */
  readonly results: readonly WriteResult<V>[]
}

/** For calls that say nothing else. */
export interface CallDefaults {
  readonly consistency: ConsistencyName | undefined
  readonly timeoutMs: number
}

export class Calls {
  readonly #core: ClientCore
  readonly #keyEncoding: Encoding
  readonly #valueEncoding: Encoding
  readonly #defaults: CallDefaults
  readonly #key = new KeyScratch()

  constructor(core: ClientCore, keyEncoding: Encoding, valueEncoding: Encoding, defaults: CallDefaults) {
    this.#core = core
    this.#keyEncoding = keyEncoding
    this.#valueEncoding = valueEncoding
    this.#defaults = defaults
  }

  /** The same with keys and values of another kind. */
  withEncodings(keyEncoding: Encoding, valueEncoding: Encoding): Calls {
    return new Calls(this.#core, keyEncoding, valueEncoding, this.#defaults)
  }

  /** A SET, or a DELETE (which takes no value). Never throws: what is wrong rejects the promise. */
  write(
    operation: typeof Operation.SET | typeof Operation.DELETE,
    key: unknown,
    value: unknown,
    options: WriteOptions = noOptions,
  ): Promise<WriteResult> {
    try {
      const timeoutMs = this.#begin(options)
      const consistency = this.writeConsistency(options.consistency)
      const lane = this.#encode(operation, key, value, conditionFlags(options), options.ifIndex, 'the ')
      const deadline = this.#core.now() + timeoutMs
      const actor = this.#actor(options.actor)
      const op = new WriteOp(lane.slab, consistency, deadline, timeoutMs, actor, undefined, 0)
      const promise = new Promise<WriteResult>((resolve, reject) => {
        op.resolve = resolve
        op.reject = reject
      })
      this.#listen(options.signal, op, lane)
      lane.issue(op)
      return promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Writes of one shard that are done together or not at all. */
  batch(
    operations: readonly BatchOperation<unknown, unknown>[],
    options: BatchOptions = noOptions,
  ): Promise<BatchResult> {
    try {
      const timeoutMs = this.#begin(options)
      checkCount(operations)
      const consistency = this.writeConsistency(options.consistency)
      const deadline = this.#core.now() + timeoutMs
      const actor = this.#actor(options.actor)
      const batch = new BatchCall()
      let payload = 0
      const lane = this.#laneOfBatch(operations)
      operations.forEach((one, slot) => {
        const last = slot === operations.length - 1
        const flags = conditionFlags(one) | (last ? 0 : WriteFlag.BATCH_CONTINUES)
        const isSet = one.type === 'set'
        const operation = isSet ? Operation.SET : Operation.DELETE
        this.#encode(
          operation,
          one.key,
          isSet ? one.value : undefined,
          flags,
          one.ifIndex,
          `operation ${slot + 1}: the `,
        )
        batch.ops.push(new WriteOp(lane.slab, consistency, deadline, timeoutMs, actor, batch, slot))
        const size = lane.slab.end - lane.slab.start
        batch.sizeBytes += size
        payload += size - WRITE_HEAD_SIZE - (one.ifIndex === undefined ? 0 : IF_INDEX_SIZE)
      })
      checkBatchSize(payload)
      const first = batch.ops[0]!
      const promise = new Promise<BatchResult>((resolve, reject) => {
        batch.resolve = results => {
          resolve({ shard: lane.route.name, applied: results.every(result => result.applied), results })
        }
        for (const op of batch.ops) op.reject = reject
      })
      this.#listen(options.signal, first, lane)
      lane.issue(first)
      return promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A read; `decode` makes the answer. Never throws. */
  read(key: unknown, options: ReadOptions = noOptions, decode: ReadOp['decode']): Promise<unknown> {
    try {
      const timeoutMs = this.#begin(options)
      const consistency = this.readConsistency(options.consistency)
      const given = this.#keyEncoding.encode(key, 'the key')
      // The key is encoded at the end of the turn, and again for a repeat: the caller's bytes may have changed by then.
      const encoded = typeof given === 'string' ? given : Buffer.from(given)
      if (options.replica !== undefined) checkAddress(options.replica, 'the replica')
      const group = this.#core.group(this.#shardOf(encoded), consistency, options.replica)
      const op = new ReadOp(encoded, this.#core.now() + timeoutMs, timeoutMs, decode)
      const promise = new Promise<unknown>((resolve, reject) => {
        op.resolve = resolve
        op.reject = reject
      })
      const { signal } = options
      if (signal !== undefined) {
        const onAbort = () => {
          group.abandon(op, cancelled())
          this.#core.roomMade()
        }
        signal.addEventListener('abort', onAbort, { once: true })
        op.unlisten = () => signal.removeEventListener('abort', onAbort)
      }
      group.issue(op)
      return promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The frame's code for a write: of the call, else of the connection, else of the cluster; `session` is none. */
  writeConsistency(given: ConsistencyName | undefined): FrameConsistency {
    for (const name of [given, this.#defaults.consistency]) {
      const code = name === undefined ? undefined : codeOf(name)
      if (code !== undefined && code !== FrameConsistency.SESSION) return code
    }
    return this.#clusterDefault()
  }

  /** The frame's code for a read, by the same order. */
  readConsistency(given: ConsistencyName | undefined): FrameConsistency {
    const name = given ?? this.#defaults.consistency
    return name === undefined ? this.#clusterDefault() : codeOf(name)
  }

  /** Throws where the client is closed or the options are wrong; returns the time-out. */
  #begin(options: CallOptions): number {
    if (this.#core.closed) throw new VarveError('CLOSED', 'the client is closed', { outcome: 'failed' })
    checkTimeout(options.timeoutMs)
    if (options.signal?.aborted) throw cancelled().withOutcome('failed')
    return options.timeoutMs ?? this.#defaults.timeoutMs
  }

  #clusterDefault(): FrameConsistency {
    return this.#core.map.current?.defaultConsistency === 'weak'
      ? FrameConsistency.WEAK
      : FrameConsistency.STRONG
  }

  #shardOf(key: string | Uint8Array): number {
    this.#key.load(key)
    return shardOfKeyAt(this.#key.bytes, 0, this.#key.length, this.#core.routes.length)
  }

  /** Encodes one write into the slab of its shard's lane. */
  #encode(
    operation: typeof Operation.SET | typeof Operation.DELETE,
    key: unknown,
    value: unknown,
    flags: number,
    ifIndex: number | undefined,
    what: string,
  ): WriteLane {
    const lane = this.#core.lanes[this.#shardOf(this.#keyEncoding.encode(key, `${what}key`))]!
    checkOwnKey(this.#key, what)
    let encoded: string | Uint8Array = NO_VALUE
    if (operation === Operation.SET) {
      encoded = this.#valueEncoding.encode(value, `${what}value`)
      checkValue(encoded)
    }
    lane.slab.append(operation, flags, ifIndex ?? 0, this.#key, encoded)
    return lane
  }

  #laneOfBatch(operations: readonly BatchOperation<unknown, unknown>[]): WriteLane {
    const shards = operations.map((one, slot) =>
      this.#shardOf(this.#keyEncoding.encode(one.key, `operation ${slot + 1}: the key`)),
    )
    const other = shards.findIndex(shard => shard !== shards[0])
    if (other === -1) return this.#core.lanes[shards[0]!]!
    const [first, second] = [shards[0]!, shards[other]!].map(shard => this.#core.routes[shard]!.name)
    throw invalid(
      `a batch must fall into one shard: operation 1 falls into ${first}, operation ${other + 1} into ${second}; ` +
        'keys that share a {part} in braces fall into the same shard',
    )
  }

  #actor(given: string | undefined): string | undefined {
    if (given === undefined || given === this.#core.actor) return undefined
    checkActor(given)
    return given
  }

  #listen(signal: AbortSignal | undefined, op: WriteOp, lane: WriteLane): void {
    if (signal === undefined) return
    const onAbort = () => {
      lane.abandon(op, () => cancelled())
      this.#core.roomMade()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    op.unlisten = () => signal.removeEventListener('abort', onAbort)
  }
}

function codeOf(name: ConsistencyName): FrameConsistency {
  if (name === 'strong') return FrameConsistency.STRONG
  if (name === 'weak') return FrameConsistency.WEAK
  if (name === 'session') return FrameConsistency.SESSION
  throw invalid(`consistency is ${JSON.stringify(name)}, expected strong, weak or session`)
}

function conditionFlags(given: WriteCondition & { returnPrevious?: boolean | undefined }): number {
  let flags = given.returnPrevious === true ? WriteFlag.RETURN_PREVIOUS : 0
  const { ifIndex, ifAbsent } = given
  if (ifAbsent === true) flags |= WriteFlag.IF_ABSENT
  if (ifIndex === undefined) return flags
  if (ifAbsent === true) throw invalid('ifIndex and ifAbsent were both given, at most one is allowed')
  if (!Number.isSafeInteger(ifIndex) || ifIndex < 0) {
    throw invalid(`ifIndex is ${String(ifIndex)}, expected an index (0: the key was never written)`)
  }
  return flags | WriteFlag.IF_INDEX
}

/** Throws INVALID_ARGUMENT for a key that the cluster keeps for itself. */
function checkOwnKey({ bytes, length }: KeyScratch, what: string): void {
  if (!isSystemKeyAt(bytes, 0, length)) return
  throw invalid(`${what}key begins with "\\0varve/": such keys are the cluster's own`)
}

function checkCount(operations: readonly unknown[]): void {
  if (operations.length >= 1 && operations.length <= Limits.recordEntriesMax) return
  throw invalid(
    `a batch has ${operations.length} operations, 1 to ${Limits.recordEntriesMax} are allowed (recordEntriesMax)`,
  )
}

function checkBatchSize(sizeBytes: number): void {
  if (sizeBytes <= Limits.batchSizeBytesMax) return
  throw invalid(
    `a batch has ${sizeBytes} bytes of keys and values, at most ${Limits.batchSizeBytesMax} are allowed (batchSizeBytesMax)`,
  )
}

/** Throws INVALID_ARGUMENT over the limit. */
export function checkActor(actor: string): void {
  const size = Buffer.byteLength(actor)
  if (size <= Limits.actorSizeBytesMax) return
  throw invalid(
    `the actor has ${size} bytes, at most ${Limits.actorSizeBytesMax} are allowed (actorSizeBytesMax)`,
  )
}

function invalid(message: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', message, { outcome: 'failed' })
}
