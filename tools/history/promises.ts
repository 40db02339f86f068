/** Holds a history against the promises that hold for every history, with the log and the orphans that it left behind. */

import { describeOperation, type HistoryOperation, isWrite, type LoggedEntry } from './history-event.js'
import { checkLinearizable, type LinearizabilityVerdict } from './linearizability.js'
import { checkLogOrder, type LogRule, type LogViolation } from './log-order.js'
import { type Verdict, verdictOn } from './verdict.js'
import { checkWeakWrites, type WriteFate } from './weak-losses.js'

/**
 * Operations that may overlap on a key: more than clients have in flight, as a write of unknown outcome may take
 * effect long after its client has gone on.
 */
const CONCURRENT_MAX = 20

/** Rules that make the log's own order a proof that the strong operations are linearizable. */
const WITNESS_RULES: readonly LogRule[] = [
  'missing',
  'misplaced',
  'real time',
  'stale',
  'doubled',
  'refused',
  'log',
]

const LOG_PROMISES: readonly { readonly what: string; readonly rules: readonly LogRule[] }[] = [
  { what: 'acknowledged strong writes are in the log', rules: ['missing'] },
  { what: 'no write is doubled', rules: ['doubled'] },
  { what: 'no failed write is done', rules: ['refused'] },
  { what: 'answers and log agree', rules: ['misplaced', 'log'] },
  { what: 'log order is real-time order', rules: ['real time', 'stale', 'session'] },
]

/**
 * Linearizability first, by a search that knows nothing of positions, then what the log says. Where too many operations overlap
 * for a search, the log's order, which the answers name, is itself the order that is looked for: it explains every read and
 * agrees with real time, or it does not.
 */
export function judgeLog(operations: readonly HistoryOperation[], log: readonly LoggedEntry[]): Verdict[] {
  const searched = checkLinearizable(operations, { concurrentMax: CONCURRENT_MAX })
  const { violations, writes, reads } = checkLogOrder(operations, log)
  const strong = operations.filter(isAcknowledgedStrongWrite).length
  const promises = LOG_PROMISES.map(({ what, rules }) => {
    const found = rules.includes('missing') ? `${strong} writes` : `${writes} writes, ${reads} reads`
    const broken = violations.filter(({ rule }) => rules.includes(rule))
    return verdictOn(
      what,
      broken.map(({ explanation }) => explanation),
      found,
    )
  })
  return [linearizable(searched, violations), ...promises]
}

/** Every acknowledged weak write is in the log or an orphan. `isExcused` says of a missing one that it may be. */
export function judgeWeakWrites(
  operations: readonly HistoryOperation[],
  log: readonly LoggedEntry[],
  orphans: readonly LoggedEntry[],
  isExcused: (operation: HistoryOperation) => boolean = () => false,
): Verdict {
  const fates = checkWeakWrites(operations, log, orphans)
  const lost = fates.filter(({ where }) => where !== 'log')
  const missing = lost.filter(({ where }) => where === 'missing').map(operationOf)
  const excused = missing.filter(isExcused)
  const violations = missing.filter(each => !excused.includes(each)).map(describeOperation)
  const excuse = excused.length > 0 ? `, ${excused.length} only on a damaged disk` : ''
  const found = `${fates.length} writes, ${lost.length} lost, ${lost.length - missing.length} orphans${excuse}`
  return verdictOn('weak losses are orphans', violations, found)
}

function operationOf({ operation }: WriteFate): HistoryOperation {
  return operation
}

function linearizable(searched: LinearizabilityVerdict, violations: readonly LogViolation[]): Verdict {
  const what = 'strong operations are linearizable'
  if (searched.ok) return verdictOn(what, [], `${searched.operations} operations on ${searched.keys} keys`)
  if (searched.reason === 'violated') {
    const { explanation, operations } = searched
    return {
      what,
      ok: false,
      found: explanation,
      violations: [explanation, ...operations.map(describeOperation)],
    }
  }
  const broken = violations.filter(({ rule }) => WITNESS_RULES.includes(rule))
  return verdictOn(
    what,
    broken.map(({ explanation }) => explanation),
    'by the order of the log, which every answer names (too many overlap on a key for a search)',
  )
}

function isAcknowledgedStrongWrite(operation: HistoryOperation): boolean {
  return isWrite(operation) && operation.consistency === 'strong' && operation.outcome === 'ok'
}
