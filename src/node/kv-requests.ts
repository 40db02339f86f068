/**
 * What unary requests say, checked against the limits and turned into what the rest of a process works with. Everything
 * here throws `VarveError` INVALID_ARGUMENT naming what was given and what is allowed.
 */
import { VarveError } from '../client/errors.js'
import { FrameConsistency } from '../client/session-frame.js'
import { shardOfKey } from '../client/shard-of-key.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import { Operation as OperationMessage } from '../generated/varve/v1/entry.js'
import {
  type BatchOperation,
  type Condition,
  Consistency,
  type RequestContext,
  type ScanRequest,
} from '../generated/varve/v1/kv.js'
import { Limits, Operation } from '../log/entry.js'
import { isSystemKey, RESERVED_KEY } from '../log/system-key.js'
import type { UnaryWrite } from './local-call.js'

export const CLIENT_ID_SIZE = 16

/**
 * A write as `BatchOperation` has it; the operation of Set and Delete is in the method's name. `mayBeSystem`: it may be to a
 * key that the cluster reserves.
 */
export function checkedWrite(request: BatchOperation, mayBeSystem = false): UnaryWrite {
  const { operation, key, value, condition, returnPrevious } = request
  checkKey(key)
  if (!mayBeSystem && isSystemKey(key)) throw invalid(RESERVED_KEY)
  if (operation !== OperationMessage.SET && operation !== OperationMessage.DELETE) {
    throw invalid(
      `an operation of a batch is ${operation}, expected OPERATION_SET (1) or OPERATION_DELETE (2)`,
    )
  }
  const isSet = operation === OperationMessage.SET
  if (!isSet && value.length > 0) throw invalid('a delete carries a value')
  if (value.length > Limits.valueSizeBytesMax) {
    throw invalid(
      `a value has ${value.length} bytes, at most ${Limits.valueSizeBytesMax} are allowed (valueSizeBytesMax)`,
    )
  }
  return {
    operation: isSet ? Operation.SET : Operation.DELETE,
    key,
    value,
    ...checkedCondition(condition),
    returnPrevious,
  }
}

/** The writes of a batch: not empty, within the limits, all of one shard. */
export function checkedBatch(operations: readonly BatchOperation[], map: ShardMap): UnaryWrite[] {
  if (operations.length === 0) throw invalid('a batch has no operations, at least one is needed')
  if (operations.length > Limits.recordEntriesMax) {
    throw invalid(
      `a batch has ${operations.length} operations, at most ${Limits.recordEntriesMax} are allowed`,
    )
  }
  const writes = operations.map(operation => checkedWrite(operation))
  const sizeBytes = writes.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  if (sizeBytes > Limits.batchSizeBytesMax) {
    throw invalid(
      `a batch has ${sizeBytes} bytes, at most ${Limits.batchSizeBytesMax} are allowed (batchSizeBytesMax)`,
    )
  }
  const shards = new Set(writes.map(({ key }) => shardOfKey(key, map.shards.length)))
  if (shards.size > 1) {
    const names = [...shards].map(
      ordinal => map.shards.find(each => each.ordinal === ordinal)?.name ?? ordinal,
    )
    throw invalid(
      `the keys of a batch fall into ${names.join(', ')}: a batch is atomic within one shard only; ` +
        'keys with the same {part} in braces share a shard',
    )
  }
  return writes
}

export function checkKey(key: Buffer): void {
  if (key.length >= 1 && key.length <= Limits.keySizeBytesMax) return
  throw invalid(`a key has ${key.length} bytes, 1 to ${Limits.keySizeBytesMax} are allowed (keySizeBytesMax)`)
}

/** What a watch asks for; empty is every key. */
export function checkKeyPrefix(prefix: Buffer): void {
  if (prefix.length <= Limits.keySizeBytesMax) return
  throw invalid(
    `a prefix has ${prefix.length} bytes, at most ${Limits.keySizeBytesMax} are allowed (keySizeBytesMax)`,
  )
}

/** Actor and request id, where they are given. */
export function checkContext(context: RequestContext | undefined): void {
  checkActor(context?.actor ?? '')
  const id = context?.requestId
  if (id === undefined) return
  if (id.clientId.length !== CLIENT_ID_SIZE) {
    throw invalid(`a client id has ${id.clientId.length} bytes, expected ${CLIENT_ID_SIZE}`)
  }
  if (id.sequence < 1) throw invalid(`a request's sequence is ${id.sequence}, expected 1 or more`)
}

export function checkActor(actor: string): void {
  const size = Buffer.byteLength(actor)
  if (size <= Limits.actorSizeBytesMax) return
  throw invalid(
    `an actor has ${size} bytes, at most ${Limits.actorSizeBytesMax} are allowed (actorSizeBytesMax)`,
  )
}

export function checkScan(range: Pick<ScanRequest, 'start' | 'end'>): void {
  const { start, end } = range
  // One more than a key may have: the place right behind the longest key.
  const sizeMax = Limits.keySizeBytesMax + 1
  for (const [name, bound] of Object.entries({ start, end })) {
    if (bound.length > sizeMax)
      throw invalid(`a scan's ${name} has ${bound.length} bytes, at most ${sizeMax} are allowed`)
  }
}

/** How fresh a read must be. */
export function readConsistency(context: RequestContext | undefined, map: ShardMap): FrameConsistency {
  switch (context?.consistency ?? Consistency.UNSPECIFIED) {
    case Consistency.STRONG:
      return FrameConsistency.STRONG
    case Consistency.WEAK:
      return FrameConsistency.WEAK
    case Consistency.SESSION:
      return FrameConsistency.SESSION
    case Consistency.UNSPECIFIED:
      return defaultConsistency(map)
    default:
      throw invalid(`consistency ${context?.consistency} is unknown, expected 0 to 3`)
  }
}

/** When a write is acknowledged. A session's writes go by the cluster's default. */
export function writeConsistency(
  context: RequestContext | undefined,
  map: ShardMap,
): typeof FrameConsistency.STRONG | typeof FrameConsistency.WEAK {
  const consistency = readConsistency(context, map)
  return consistency === FrameConsistency.SESSION ? defaultConsistency(map) : consistency
}

function defaultConsistency(map: ShardMap): typeof FrameConsistency.STRONG | typeof FrameConsistency.WEAK {
  return map.defaultConsistency === 'weak' ? FrameConsistency.WEAK : FrameConsistency.STRONG
}

function checkedCondition(condition: Condition | undefined): Pick<UnaryWrite, 'ifIndex' | 'ifAbsent'> {
  if (condition === undefined) return { ifIndex: undefined, ifAbsent: false }
  const { ifIndex, ifAbsent } = condition
  if (ifIndex !== undefined && ifAbsent)
    throw invalid('a condition has both if_index and if_absent, expected one')
  return { ifIndex, ifAbsent }
}

function invalid(message: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', message, { outcome: 'failed' })
}
