/**
 * Checks a whole history, weak and session operations included, against the log that it left behind: what was
 * acknowledged stands where the answer said, once; what was read is what stands there; and the order of the log
 * agrees with the order in time. It needs positions, so it finds faults that the answers alone do not show, and it
 * takes linear time.
 */
import { describeEntry, FinalLog, isOf } from './final-log.js'
import { describeOperation, type HistoryOperation, isWrite, type LoggedEntry } from './history-event.js'

/**
 * - `log`: the log itself has a gap, or an epoch that falls.
 * - `missing`: a write that was acknowledged as strong is not in the log.
 * - `misplaced`: another entry stands at a position that a committed answer gave.
 * - `doubled`: one write stands in the log twice.
 * - `refused`: a write that certainly failed stands in the log.
 * - `real time`: a write stands before one that had returned before it was invoked.
 * - `stale`: a strong read saw less than what had returned before it was invoked.
 * - `session`: a session read saw less than its client had seen or written.
 */
export type LogRule =
  | 'log'
  | 'missing'
  | 'misplaced'
  | 'doubled'
  | 'refused'
  | 'real time'
  | 'stale'
  | 'session'

export interface LogViolation {
  readonly rule: LogRule
  readonly explanation: string
  readonly operations: readonly HistoryOperation[]
}

export interface LogOrderVerdict {
  readonly ok: boolean
  readonly violations: readonly LogViolation[]
  /** How many writes and reads had a position that was looked up. */
  readonly writes: number
  readonly reads: number
}

/**
 * Checks the operations against the final log of all shards: committed entries, each shard's in the order of its
 * indexes. Pure. Weak writes may be missing (`checkWeakWrites` says whether they are orphans); where they stand in the log they
 * are held to the same order. Scans have no position and are left out. Values must be unique within a key.
 */
export function checkLogOrder(
  operations: readonly HistoryOperation[],
  log: readonly LoggedEntry[],
): LogOrderVerdict {
  const final = new FinalLog(log)
  const answered = operations.filter(({ outcome, position }) => outcome === 'ok' && position !== null)
  const writes = answered.filter(isWrite)
  const reads = answered.filter(({ type }) => type === 'get')
  const violations = [
    ...checkShape(log),
    ...writes.flatMap(write => checkWrite(write, final)),
    ...checkDoubled(operations, final),
    ...checkRequests(log),
    ...reads.flatMap(read => checkRead(read, final)),
    ...checkWriteOrder(writes, final),
    ...checkStrongReads(answered),
    ...checkSessions(operations, final),
  ]
  return { ok: violations.length === 0, violations, writes: writes.length, reads: reads.length }
}

function checkShape(log: readonly LoggedEntry[]): LogViolation[] {
  const violations: LogViolation[] = []
  const last = new Map<string, LoggedEntry>()
  for (const entry of log) {
    const before = last.get(entry.shard)
    last.set(entry.shard, entry)
    if (before === undefined || (entry.index === before.index + 1 && entry.epoch >= before.epoch)) continue
    const explanation = `${describeEntry(entry)} follows ${describeEntry(before)} in the log`
    violations.push({ rule: 'log', explanation, operations: [] })
  }
  return violations
}

function checkWrite(write: HistoryOperation, final: FinalLog): LogViolation[] {
  const { shard, index, committed } = write.position!
  const entry = final.at(shard, index)
  const mustStand = write.consistency === 'strong' || committed
  if (entry !== undefined && isOf(entry, write)) return []
  if (!mustStand && final.standing(write) === undefined) return []
  const rule = entry === undefined ? 'missing' : 'misplaced'
  const found = entry === undefined ? 'the log has no such entry' : `the log has ${describeEntry(entry)}`
  return [{ rule, explanation: `${describeOperation(write)}: ${found}`, operations: [write] }]
}

/** One request has one entry: this finds a doubled delete, whose value tells nothing. */
function checkRequests(log: readonly LoggedEntry[]): LogViolation[] {
  const violations: LogViolation[] = []
  const seen = new Map<string, LoggedEntry>()
  for (const entry of log) {
    if (entry.request === undefined) continue
    const name = `${entry.shard}/${entry.request}`
    const first = seen.get(name)
    if (first === undefined) {
      seen.set(name, entry)
      continue
    }
    const explanation = `request ${entry.request} stands in the log twice: ${describeEntry(first)}, ${describeEntry(entry)}`
    violations.push({ rule: 'doubled', explanation, operations: [] })
  }
  return violations
}

function checkDoubled(operations: readonly HistoryOperation[], final: FinalLog): LogViolation[] {
  const violations: LogViolation[] = []
  for (const operation of operations) {
    if (operation.type !== 'set') continue
    const found = final.setsOf(operation.key, operation.value)
    if (found.length > 1) {
      const where = found.map(describeEntry).join(', ')
      const explanation = `${describeOperation(operation)} stands in the log ${found.length} times: ${where}`
      violations.push({ rule: 'doubled', explanation, operations: [operation] })
    } else if (found.length === 1 && operation.outcome === 'failed') {
      const explanation = `${describeOperation(operation)} stands in the log: ${describeEntry(found[0]!)}`
      violations.push({ rule: 'refused', explanation, operations: [operation] })
    }
  }
  return violations
}

function checkRead(read: HistoryOperation, final: FinalLog): LogViolation[] {
  const { shard, index, committed } = read.position!
  if (index === 0) {
    if (read.value === null) return []
    const explanation = `${describeOperation(read)}: a value without a position`
    return [{ rule: 'misplaced', explanation, operations: [read] }]
  }
  const entry = final.at(shard, index)
  const isStanding = final.standing(read) !== undefined
  // What was tentative may have been undone.
  if (!committed && !isStanding) return []
  if (entry !== undefined && isStanding && isOf(entry, read)) return []
  const found = entry === undefined ? 'the log has no such entry' : `the log has ${describeEntry(entry)}`
  return [{ rule: 'misplaced', explanation: `${describeOperation(read)}: ${found}`, operations: [read] }]
}

/** Of two writes to one shard the one that returned before the other was invoked stands before it. */
function checkWriteOrder(writes: readonly HistoryOperation[], final: FinalLog): LogViolation[] {
  const standing = writes.filter(write => final.standing(write) !== undefined)
  return outrun(
    standing,
    ({ position }) => position!.shard,
    () => true,
    'real time',
    (before, after) => after.position!.index > before.position!.index,
  )
}

/** A strong read of a key sees at least what strong writes and reads of it had returned before it was invoked. */
function checkStrongReads(answered: readonly HistoryOperation[]): LogViolation[] {
  return outrun(
    answered.filter(({ consistency }) => consistency === 'strong'),
    ({ key }) => key,
    ({ type }) => type === 'get',
    'stale',
    (before, after) => after.position!.index >= before.position!.index,
  )
}

/**
 * The same for what one client has seen. What was undone is forgotten, and with a TOKEN_LOST all that was seen before;
 * what was in flight at that moment may be of before or after it, and is left out.
 */
function checkSessions(operations: readonly HistoryOperation[], final: FinalLog): LogViolation[] {
  const violations: LogViolation[] = []
  for (const ofClient of groupBy(operations, ({ client }) => client).values()) {
    const losses = ofClient
      .filter(({ error, returnedMs }) => error?.startsWith('TOKEN_LOST') === true && returnedMs !== null)
      .map(({ returnedMs }) => returnedMs!)
    const standing = ofClient.filter(
      each => each.outcome === 'ok' && each.returnedMs !== null && final.standing(each) !== undefined,
    )
    const lossesBefore = (ms: number) => losses.filter(at => at <= ms).length
    const whole = standing.filter(each => lossesBefore(each.invokedMs) === lossesBefore(each.returnedMs!))
    const rounds = groupBy(whole, ({ invokedMs }) => String(lossesBefore(invokedMs)))
    for (const ofRound of rounds.values()) {
      violations.push(
        ...outrun(
          ofRound,
          ({ key }) => key,
          ({ type, consistency }) => type === 'get' && consistency === 'session',
          'session',
          (before, after) => after.position!.index >= before.position!.index,
        ),
      )
    }
  }
  return violations
}

/**
 * Walks through time in each group and compares every judged operation with the one of the greatest index among
 * those that had returned before it was invoked.
 */
function outrun(
  operations: readonly HistoryOperation[],
  groupOf: (operation: HistoryOperation) => string,
  isJudged: (operation: HistoryOperation) => boolean,
  rule: LogRule,
  isRight: (before: HistoryOperation, after: HistoryOperation) => boolean,
): LogViolation[] {
  const violations: LogViolation[] = []
  for (const group of groupBy(operations, groupOf).values()) {
    const returned = group
      .filter(({ returnedMs }) => returnedMs !== null)
      .sort((a, b) => a.returnedMs! - b.returnedMs!)
    let next = 0
    let greatest: HistoryOperation | undefined
    for (const after of group.sort((a, b) => a.invokedMs - b.invokedMs)) {
      while (next < returned.length && returned[next]!.returnedMs! < after.invokedMs) {
        const each = returned[next]!
        next += 1
        if (greatest === undefined || each.position!.index > greatest.position!.index) greatest = each
      }
      if (greatest === undefined || !isJudged(after) || isRight(greatest, after)) continue
      const explanation = `${describeOperation(after)} comes after ${describeOperation(greatest)}`
      violations.push({ rule, explanation, operations: [after, greatest] })
    }
  }
  return violations
}

function groupBy<T>(all: readonly T[], nameOf: (each: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const each of all) {
    const name = nameOf(each)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [each])
    else group.push(each)
  }
  return groups
}
