/**
 * Checks that strong operations are linearizable, key by key (linearizability is local: a history is linearizable
 * if each of its keys' is; Herlihy and Wing 1990). Each key is a register that begins empty.
 */
import { describeOperation, describeValue, type HistoryOperation } from './history-event.js'
import { type RegisterOperation, SLOTS_MAX, searchRegister } from './register-search.js'

/** How many operations on one key may overlap, unless the caller allows more. */
export const CONCURRENT_MAX = 10

export type LinearizabilityVerdict =
  | {
      readonly ok: true
      readonly keys: number
      /** How many operations took part: strong ones, and other writes that strong reads may have seen. */
      readonly operations: number
    }
  | {
      readonly ok: false
      /** `violated`: not linearizable. `too concurrent`: not known, as too many operations overlap. */
      readonly reason: 'violated' | 'too concurrent'
      readonly key: string
      readonly explanation: string
      /** The operation that cannot be explained, first, and then those that overlap with it. */
      readonly operations: readonly HistoryOperation[]
    }

export interface LinearizabilityOptions {
  /** Operations on one key that may overlap; at most 24. Default {@link CONCURRENT_MAX}. */
  readonly concurrentMax?: number
}

interface Prepared extends RegisterOperation {
  readonly source: HistoryOperation
}

/**
 * Whether the strong operations of a history are linearizable. Scans and reads of other modes are left out. A write that is weak
 * or ended unknown may take effect at any time after its invocation or never; failed ones never do. Pure; operations in
 * any order. Throws TypeError where two sets of a key write the same value: what a read saw must name one write.
 */
export function checkLinearizable(
  operations: readonly HistoryOperation[],
  options: LinearizabilityOptions = {},
): LinearizabilityVerdict {
  const { concurrentMax = CONCURRENT_MAX } = options
  if (!Number.isInteger(concurrentMax) || concurrentMax < 1 || concurrentMax > SLOTS_MAX) {
    throw new TypeError(`concurrentMax is ${concurrentMax}, expected a whole number from 1 to ${SLOTS_MAX}`)
  }
  const byKey = groupByKey(operations)
  let checked = 0
  for (const [key, ofKey] of byKey) {
    const { prepared, unexplained } = prepare(key, ofKey)
    if (unexplained !== undefined) return nobodyWrote(key, unexplained)
    checked += prepared.length
    const verdict = searchRegister(prepared, concurrentMax)
    if (verdict.kind === 'explained') continue
    const at = verdict.operation as Prepared
    const overlapping = prepared.filter(each => each !== at && overlap(each, at)).map(({ source }) => source)
    const explanation =
      verdict.kind === 'violated'
        ? `${describeOperation(at.source)} cannot be explained: before it returned, ${possible(verdict.values)}, ` +
          `and ${overlapping.length} operations overlap with it`
        : `too concurrent: ${verdict.concurrent} operations on ${JSON.stringify(key)} overlap at ` +
          `${at.invokedMs.toFixed(3)} ms, expected at most ${concurrentMax}`
    const reason = verdict.kind === 'violated' ? 'violated' : 'too concurrent'
    return { ok: false, reason, key, explanation, operations: [at.source, ...overlapping] }
  }
  return { ok: true, keys: byKey.size, operations: checked }
}

function groupByKey(operations: readonly HistoryOperation[]): Map<string, HistoryOperation[]> {
  const byKey = new Map<string, HistoryOperation[]>()
  for (const operation of operations) {
    if (operation.type === 'scan') continue
    const ofKey = byKey.get(operation.key)
    if (ofKey === undefined) byKey.set(operation.key, [operation])
    else ofKey.push(operation)
  }
  return byKey
}

/** What takes part in the search for an order of one key's operations, with the interval that each must fall into. */
function prepare(
  key: string,
  operations: readonly HistoryOperation[],
): { prepared: Prepared[]; unexplained?: HistoryOperation } {
  const reads = operations.filter(isStrongRead)
  const firstSeenMs = new Map<string, number>()
  for (const { value, returnedMs } of reads) {
    if (value === null) continue
    firstSeenMs.set(value, Math.min(firstSeenMs.get(value) ?? Infinity, returnedMs!))
  }
  const written = new Set<string>()
  const prepared: Prepared[] = []
  for (const source of operations) {
    const { type, value, outcome, invokedMs } = source
    if (type === 'get') continue
    if (type === 'set') {
      if (value === null) throw new TypeError(`${describeOperation(source)} writes no value`)
      if (written.has(value)) {
        throw new TypeError(`${JSON.stringify(value)} is written twice to ${JSON.stringify(key)}`)
      }
      written.add(value)
    }
    if (outcome === 'failed') {
      if (type === 'set') written.delete(value!)
      continue
    }
    const isCertain = outcome === 'ok' && source.consistency === 'strong' && source.returnedMs !== null
    const seenMs = type === 'set' ? firstSeenMs.get(value!) : undefined
    // A set that need not take effect, and was never seen, explains nothing.
    if (type === 'set' && !isCertain && seenMs === undefined) continue
    // What was seen has taken effect by then.
    const returnedMs = Math.min(isCertain ? source.returnedMs! : Infinity, seenMs ?? Infinity)
    prepared.push({ source, isRead: false, value, invokedMs, returnedMs })
  }
  for (const source of reads) {
    const { value, invokedMs, returnedMs } = source
    if (value !== null && !written.has(value)) return { prepared, unexplained: source }
    prepared.push({ source, isRead: true, value, invokedMs, returnedMs: returnedMs! })
  }
  const early = prepared.find(each => each.returnedMs < each.invokedMs)
  if (early !== undefined) return { prepared, unexplained: early.source }
  return { prepared }
}

function isStrongRead({ type, consistency, outcome, returnedMs }: HistoryOperation): boolean {
  return type === 'get' && consistency === 'strong' && outcome === 'ok' && returnedMs !== null
}

function nobodyWrote(key: string, operation: HistoryOperation): LinearizabilityVerdict {
  const wrong =
    operation.type === 'get'
      ? 'cannot be explained: no write of that value was invoked that may have been done'
      : 'cannot be explained: it was read, or returned, before it was invoked'
  const explanation = `${describeOperation(operation)} ${wrong}`
  return { ok: false, reason: 'violated', key, explanation, operations: [operation] }
}

function overlap(a: RegisterOperation, b: RegisterOperation): boolean {
  return a.invokedMs <= b.returnedMs && b.invokedMs <= a.returnedMs
}

function possible(values: readonly (string | null)[]): string {
  const shown = values.slice(0, 8).map(describeValue).join(', ')
  const more = values.length > 8 ? ` and ${values.length - 8} more` : ''
  return values.length === 1 ? `the key could only hold ${shown}` : `the key could hold ${shown}${more}`
}
