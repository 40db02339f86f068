/** Holds what a run left behind against what Varve promises. */

import { describeOperation, type HistoryOperation, isWrite } from '../../tools/history/history-event.js'
import { checkLinearizable } from '../../tools/history/linearizability.js'
import { checkLogOrder, type LogRule } from '../../tools/history/log-order.js'
import { checkWeakWrites } from '../../tools/history/weak-losses.js'
import type { Evidence } from './evidence.js'

/** One line of the verdict. */
export interface Verdict {
  readonly what: string
  readonly ok: boolean
  /** How much was looked at, or what is wrong. */
  readonly found: string
  /** Each violation, for the folder of the run. */
  readonly violations: readonly string[]
}

/**
 * Operations that may overlap on a key: more than clients have in flight, as a write of unknown outcome may take
 * effect long after its client has gone on.
 */
const CONCURRENT_MAX = 20

export function judge(evidence: Evidence): Verdict[] {
  const { facts } = evidence
  return [
    linearizable(evidence),
    ...logOrder(evidence),
    weakWrites(evidence),
    verdict('replicas are equal', facts.differences, `logs of ${facts.replicas} replicas`),
    convergence(evidence),
    verdict('no process ends by itself', facts.unexpectedEnds, 'none'),
    coordinatorDown(evidence),
    ...workWasDone(evidence),
  ]
}

function verdict(what: string, violations: readonly string[], found: string): Verdict {
  const ok = violations.length === 0
  return { what, ok, found: ok ? found : `${violations.length}: ${violations[0]}`, violations }
}

function linearizable({ operations }: Evidence): Verdict {
  const what = 'strong operations are linearizable'
  const result = checkLinearizable(operations, { concurrentMax: CONCURRENT_MAX })
  if (result.ok) {
    const found = `${result.operations} operations on ${result.keys} keys`
    return { what, ok: true, found, violations: [] }
  }
  const violations = [result.explanation, ...result.operations.map(describeOperation)]
  return { what, ok: false, found: result.explanation, violations }
}

const LOG_RULES: readonly { readonly what: string; readonly rules: readonly LogRule[] }[] = [
  { what: 'acknowledged strong writes are in the log', rules: ['missing'] },
  { what: 'no write is doubled', rules: ['doubled'] },
  { what: 'no failed write is done', rules: ['refused'] },
  { what: 'answers and log agree', rules: ['misplaced', 'log'] },
  { what: 'log order is real-time order', rules: ['real time', 'stale', 'session'] },
]

function logOrder({ operations, log }: Evidence): Verdict[] {
  const { violations, writes, reads } = checkLogOrder(operations, log)
  const strong = operations.filter(isAcknowledgedStrongWrite).length
  return LOG_RULES.map(({ what, rules }) => {
    const own = violations.filter(({ rule }) => rules.includes(rule))
    const found = rules.includes('missing') ? `${strong} writes` : `${writes} writes, ${reads} reads`
    return verdict(
      what,
      own.map(({ explanation }) => explanation),
      found,
    )
  })
}

function isAcknowledgedStrongWrite(operation: HistoryOperation): boolean {
  return isWrite(operation) && operation.consistency === 'strong' && operation.outcome === 'ok'
}

/** A weak write whose only copy was on a disk that was then damaged is lost with the disk. */
function weakWrites({ operations, log, orphans, facts }: Evidence): Verdict {
  const fates = checkWeakWrites(operations, log, orphans)
  const lost = fates.filter(({ where }) => where !== 'log')
  const missing = lost.filter(({ where }) => where === 'missing').map(({ operation }) => operation)
  const excused = missing.filter(({ position, returnedMs }) => {
    const head = position === null ? undefined : facts.heads[`${position.shard}/${position.epoch}`]
    return facts.damaged.some(({ address, atMs }) => address === head && atMs > returnedMs!)
  })
  const violations = missing.filter(each => !excused.includes(each)).map(describeOperation)
  const excuse = excused.length > 0 ? `, ${excused.length} only on a damaged disk` : ''
  const found = `${fates.length} writes, ${lost.length} lost, ${lost.length - missing.length} orphans${excuse}`
  return verdict('weak losses are orphans', violations, found)
}

function convergence({ facts }: Evidence): Verdict {
  const { convergedMs, notConverged } = facts
  const violations = convergedMs === undefined ? [notConverged ?? 'never'] : []
  return verdict(
    'the cluster heals',
    violations,
    `${((convergedMs ?? 0) / 1_000).toFixed(1)} s after the last fault`,
  )
}

/** While the coordinator alone is away, nothing else being wrong, no request fails. */
function coordinatorDown({ operations, facts }: Evidence): Verdict {
  const windows = facts.faults.filter(({ kind, isAlone }) => kind === 'coordinator' && isAlone)
  const violations = operations
    .filter(({ outcome }) => outcome !== 'ok')
    .filter(({ invokedMs, returnedMs }) =>
      windows.some(({ beganMs, endedMs }) => invokedMs > beganMs && (returnedMs ?? Infinity) < endedMs),
    )
    .map(describeOperation)
  return verdict('no request fails for want of a coordinator', violations, `away ${windows.length} times`)
}

/** A run that did nothing proves nothing. */
function workWasDone({ operations, facts }: Evidence): Verdict[] {
  const answered = operations.filter(({ outcome }) => outcome === 'ok')
  const kinds = ['strong', 'weak', 'session'] as const
  const counts = kinds.map(kind => answered.filter(({ consistency }) => consistency === kind).length)
  const open = operations.filter(({ outcome }) => outcome === 'unknown').length
  const said = kinds.map((kind, at) => `${counts[at]} ${kind}`).join(', ')
  const idle = kinds.filter((_, at) => counts[at] === 0).map(kind => `no ${kind} operation was answered`)
  const made = new Map<string, number>()
  for (const { kind } of facts.faults) made.set(kind, (made.get(kind) ?? 0) + 1)
  const faults = [...made].map(([kind, count]) => `${kind} ${count}`).join(', ')
  return [
    verdict('work was done', idle, `${said} answered, ${open} unknown`),
    // Processes that reach each other past the relays know nothing of partitions.
    verdict(
      'the network was under control',
      facts.relayedBytes === 0 ? ['nothing passed the relays'] : [],
      `${(facts.relayedBytes / 1_048_576).toFixed(1)} MiB passed the relays`,
    ),
    verdict('faults were made', made.size === 0 ? ['no fault was made'] : [], faults),
  ]
}
