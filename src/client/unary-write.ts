/**
 * A write as a unary call, for an actor other than the session's. It carries the client's id and the write's
 * sequence, so that it may be repeated like any other.
 */
import { Operation } from '../generated/varve/v1/entry.js'
import {
  type BatchOperation,
  type BatchResponse,
  Consistency,
  type KvClient,
  type RequestContext,
  type WriteResponse,
} from '../generated/varve/v1/kv.js'
import { Operation as EntryOperation, type Stamp } from '../log/entry.js'
import { VarveError } from './errors.js'
import { decodeWrite } from './frame-encoder.js'
import type { WriteAnswer } from './lane-host.js'
import { FrameConsistency, WriteFlag } from './session-frame.js'
import { callUnary } from './unary.js'
import type { WriteOp } from './write-op.js'

/** Sends one write, or all of a batch. Rejects with `VarveError`. */
export async function sendUnaryWrite(
  kv: KvClient,
  address: string,
  clientId: Buffer,
  ops: readonly WriteOp[],
  stamp: Stamp | undefined,
): Promise<readonly WriteAnswer[]> {
  const first = ops[0]!
  const context: RequestContext = {
    consistency: first.consistency === FrameConsistency.STRONG ? Consistency.STRONG : Consistency.WEAK,
    token: { parts: [], stamp },
    actor: first.actor ?? '',
    requestId: { clientId, sequence: first.sequence },
    hops: 0,
    localOnly: false,
  }
  const timeoutMs = first.deadline - performance.now()
  const parts = ops.map(operationOf)
  if (first.batch !== undefined) {
    const request = { context, operations: parts }
    const { results } = await callUnary<BatchResponse>(address, timeoutMs, undefined, done =>
      kv.batch(request, done),
    )
    if (results.length !== ops.length) throw new VarveError('INTERNAL', `${address} answered a batch in part`)
    return results.map(answerOf)
  }
  const part = parts[0]!
  const request = { ...part, context }
  const response = await callUnary<WriteResponse>(address, timeoutMs, undefined, done =>
    part.operation === Operation.SET ? kv.set(request, done) : kv.delete(request, done),
  )
  return [answerOf(response)]
}

function operationOf(op: WriteOp): BatchOperation {
  const { operation, flags, ifIndex, key, value } = decodeWrite(op.bytes, op.start)
  const conditional = (flags & (WriteFlag.IF_INDEX | WriteFlag.IF_ABSENT)) !== 0
  return {
    operation: operation === EntryOperation.SET ? Operation.SET : Operation.DELETE,
    key,
    value,
    condition: conditional
      ? {
          ifIndex: (flags & WriteFlag.IF_INDEX) !== 0 ? ifIndex : undefined,
          ifAbsent: (flags & WriteFlag.IF_ABSENT) !== 0,
        }
      : undefined,
    returnPrevious: (flags & WriteFlag.RETURN_PREVIOUS) !== 0,
  }
}

function answerOf(response: WriteResponse): WriteAnswer {
  const position = response.position
  return {
    epoch: position?.epoch ?? 0,
    index: position?.index ?? 0,
    lamport: position?.stamp?.lamport ?? 0,
    wallMs: position?.stamp?.wallMs ?? 0,
    committed: position?.committed ?? false,
    applied: response.applied,
    previous: response.previous,
  }
}
