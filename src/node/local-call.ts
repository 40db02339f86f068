/**
 * One request to a replica of this process, as a frame with a sink for its answers: the same way in as a session's,
 * so that unary calls and sessions cannot come to differ.
 */
import { VarveError } from '../client/errors.js'
import { KeyScratch, ReadFrameEncoder, WriteFrameBuilder, WriteSlab } from '../client/frame-encoder.js'
import {
  type FrameConsistency,
  ReadResultFlag,
  ResponseKind,
  WriteFlag,
  WriteResultFlag,
} from '../client/session-frame.js'
import { ResponseFrameReader } from '../client/session-frame-reader.js'
import type { Operation } from '../log/entry.js'
import type { ReplySink, ShardHost } from './node-host.js'

/** One write of a request, checked. */
export interface UnaryWrite {
  readonly operation: typeof Operation.SET | typeof Operation.DELETE
  readonly key: Buffer
  readonly value: Buffer
  readonly ifIndex: number | undefined
  readonly ifAbsent: boolean
  readonly returnPrevious: boolean
}

/** What writes have in common; more than one are an atomic batch. */
export interface WriteCall {
  readonly writes: readonly UnaryWrite[]
  readonly clientId: Buffer
  readonly actor: string
  /** The client's number of the first write in this shard; the others follow it. */
  readonly firstSequence: number
  readonly acknowledgedBelow: number
  readonly consistency: typeof FrameConsistency.STRONG | typeof FrameConsistency.WEAK
  readonly lamport: number
  /** Whether it may be to keys that the cluster reserves. Default: no. */
  readonly writesSystemKeys?: boolean
}

export interface ReadCall {
  readonly key: Buffer
  readonly consistency: FrameConsistency
  readonly tokenIndex: number
  readonly tokenEpoch: number
  readonly lamport: number
}

/** Where the entry stands that an answer is about. */
export interface AnswerPosition {
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly epoch: number
  readonly committed: boolean
}

export interface WriteResultOf extends AnswerPosition {
  readonly applied: boolean
  readonly previous: { readonly found: boolean; readonly index: number; readonly value: Buffer } | undefined
}

export interface ReadResultOf extends AnswerPosition {
  readonly found: boolean
  readonly value: Buffer
  readonly appliedIndex: number
}

const NO_CLIENT = Buffer.alloc(16)
const NOTHING = Buffer.alloc(0)

const scratch = new KeyScratch()
const slab = new WriteSlab()
const builder = new WriteFrameBuilder()
const reads = new ReadFrameEncoder()

/** Writes at this replica; the results are in the order of the writes. Rejects with `VarveError`. */
export async function writeHere(
  host: ShardHost,
  call: WriteCall,
  signal: AbortSignal,
): Promise<WriteResultOf[]> {
  const { writes, firstSequence } = call
  const results: WriteResultOf[] = []
  let left = writes.length
  await exchange(host, encodeWrites(host.ordinal, call), call, signal, reader => {
    if (reader.kind === ResponseKind.WRITES_DONE) {
      for (let k = 0; k < reader.count; k++)
        results[reader.firstId + k - firstSequence] = runResult(reader, k)
    } else {
      while (reader.next()) results[reader.id - firstSequence] = singleResult(reader)
    }
    left -= reader.count
    return left <= 0
  })
  return results
}

/** Reads one key at this replica. Rejects with `VarveError`. */
export async function readHere(host: ShardHost, call: ReadCall, signal: AbortSignal): Promise<ReadResultOf> {
  scratch.load(call.key)
  reads.begin()
  reads.add(call.key)
  const frame = reads.finish({
    shard: host.ordinal,
    firstId: 0,
    observedLamport: call.lamport,
    consistency: call.consistency,
    acknowledgedBelowOrTokenIndex: call.tokenIndex,
    tokenEpoch: call.tokenEpoch,
  })
  let result: ReadResultOf | undefined
  await exchange(host, frame, { clientId: NO_CLIENT, actor: '' }, signal, reader => {
    reader.next()
    result = {
      ...positionOf(reader, (reader.flags & ReadResultFlag.COMMITTED) !== 0),
      found: (reader.flags & ReadResultFlag.FOUND) !== 0,
      value: bytesOf(reader),
      appliedIndex: reader.appliedIndex,
    }
    return true
  })
  return result!
}

/** Sends the frame and reads its answers until `take` says that it has all. */
function exchange(
  host: ShardHost,
  frame: Buffer,
  from: Pick<ReplySink, 'clientId' | 'actor' | 'writesSystemKeys'>,
  signal: AbortSignal,
  take: (reader: ResponseFrameReader) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const reader = new ResponseFrameReader()
    let closed = false
    const end = (error?: unknown) => {
      closed = true
      signal.removeEventListener('abort', onAbort)
      if (error === undefined) resolve()
      else reject(error)
    }
    // What is under way stays under way: a write that was appended is never taken back.
    const onAbort = () => end(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const sink: ReplySink = {
      clientId: from.clientId,
      actor: from.actor,
      writesSystemKeys: from.writesSystemKeys === true,
      get closed() {
        return closed
      },
      send: answer => {
        if (closed) return
        reader.reset(answer)
        if (reader.kind === ResponseKind.FAILED) end(reader.failure())
        else if (take(reader)) end()
      },
    }
    try {
      host.handleFrame(frame, sink)
    } catch (error) {
      end(error)
    }
  })
}

function encodeWrites(ordinal: number, call: WriteCall): Buffer {
  builder.begin()
  for (const [at, write] of call.writes.entries()) {
    const { operation, key, value, ifIndex, ifAbsent, returnPrevious } = write
    const flags =
      (returnPrevious ? WriteFlag.RETURN_PREVIOUS : 0) |
      (ifIndex === undefined ? 0 : WriteFlag.IF_INDEX) |
      (ifAbsent ? WriteFlag.IF_ABSENT : 0) |
      (at < call.writes.length - 1 ? WriteFlag.BATCH_CONTINUES : 0)
    scratch.load(key)
    slab.append(operation, flags, ifIndex ?? 0, scratch, value)
    builder.add(slab.bytes, slab.start, slab.end)
  }
  return builder.finish({
    shard: ordinal,
    firstId: call.firstSequence,
    observedLamport: call.lamport,
    consistency: call.consistency,
    acknowledgedBelowOrTokenIndex: call.acknowledgedBelow,
    tokenEpoch: 0,
  })
}

function runResult(reader: ResponseFrameReader, k: number): WriteResultOf {
  const { index, lamport, wallMs, epoch } = reader
  const committed = reader.flags === 1
  return {
    index: index + k,
    lamport: lamport + k,
    wallMs,
    epoch,
    committed,
    applied: true,
    previous: undefined,
  }
}

function singleResult(reader: ResponseFrameReader): WriteResultOf {
  const { flags } = reader
  const wanted = (flags & WriteResultFlag.PREVIOUS_REQUESTED) !== 0
  const found = (flags & WriteResultFlag.PREVIOUS_FOUND) !== 0
  return {
    ...positionOf(reader, (flags & WriteResultFlag.COMMITTED) !== 0),
    applied: (flags & WriteResultFlag.APPLIED) !== 0,
    previous: wanted ? { found, index: reader.previousIndex, value: bytesOf(reader) } : undefined,
  }
}

function positionOf(reader: ResponseFrameReader, committed: boolean): AnswerPosition {
  const { index, lamport, wallMs, epoch } = reader
  return { index, lamport, wallMs, epoch, committed }
}

function bytesOf({ frame, valueStart, valueLength }: ResponseFrameReader): Buffer {
  return valueLength === 0 ? NOTHING : frame.subarray(valueStart, valueStart + valueLength)
}

/** Whatever was thrown, as the error that clients know. */
export function asVarveError(error: unknown): VarveError {
  if (error instanceof VarveError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new VarveError('INTERNAL', message, { cause: error })
}
