/** Holds what a run left behind against what Varve promises. */

import { describeOperation } from '../../tools/history/history-event.js'
import { judgeLog, judgeWeakWrites } from '../../tools/history/promises.js'
import { type Verdict, verdictOn } from '../../tools/history/verdict.js'
import type { Evidence } from './evidence.js'

export function judge(evidence: Evidence): Verdict[] {
  const { facts } = evidence
  return [
    ...judgeLog(evidence.operations, evidence.log),
    weakWrites(evidence),
    verdictOn('replicas are equal', facts.differences, `logs of ${facts.replicas} replicas`),
    convergence(evidence),
    verdictOn('no process ends by itself', facts.unexpectedEnds, 'none'),
    coordinatorDown(evidence),
    ...workWasDone(evidence),
  ]
}

/** A weak write whose only copy was on a disk that was then damaged is lost with the disk. */
function weakWrites({ operations, log, orphans, facts }: Evidence): Verdict {
  return judgeWeakWrites(operations, log, orphans, ({ position, returnedMs }) => {
    const head = position === null ? undefined : facts.heads[`${position.shard}/${position.epoch}`]
    return facts.damaged.some(({ address, atMs }) => address === head && atMs > returnedMs!)
  })
}

function convergence({ facts }: Evidence): Verdict {
  const { convergedMs, notConverged } = facts
  const violations = convergedMs === undefined ? [notConverged ?? 'never'] : []
  return verdictOn(
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
  return verdictOn('no request fails for want of a coordinator', violations, `away ${windows.length} times`)
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
    verdictOn('work was done', idle, `${said} answered, ${open} unknown`),
    // Processes that reach each other past the relays know nothing of partitions.
    verdictOn(
      'the network was under control',
      facts.relayedBytes === 0 ? ['nothing passed the relays'] : [],
      `${(facts.relayedBytes / 1_048_576).toFixed(1)} MiB passed the relays`,
    ),
    verdictOn('faults were made', made.size === 0 ? ['no fault was made'] : [], faults),
  ]
}
