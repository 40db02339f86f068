/** What the runs of any experiment show together. */

import { withDistinctValues } from '../../history/distinct-values.js'
import { isWrite } from '../../history/history-event.js'
import { type Verdict, verdictOn } from '../../history/verdict.js'
import { writeFates } from '../../history/weak-losses.js'
import { count, duration, plural } from '../../text.js'
import type { RecordedOperation } from '../record/recorded-run.js'
import { ownKey } from '../record/running-prefix.js'
import type { JudgedRun } from '../run-experiment.js'
import { measured, percent } from './measured.js'

/** Whether runs that were to do the same did, what became of the writes, and how fresh weak reads were. */
export function conclude(runs: readonly JudgedRun[]): Verdict[] {
  return [...sameOperations(runs), writesLost(runs), ...runs.flatMap(freshness)]
}

/** The distribution of staleness in words; nothing of a run without weak or session reads. */
function freshness({ summary: { name, staleness } }: JudgedRun): Verdict[] {
  if (staleness === null) return []
  const { reads, fresh, versionsMax, ageP50Ms, ageP99Ms, ageMaxMs } = staleness
  const ages = `median ${duration(ageP50Ms)}, p99 ${duration(ageP99Ms)}, at most ${duration(ageMaxMs)}`
  const missed = `the others missed up to ${plural(versionsMax, 'version')}, acknowledged for ${ages}`
  const found = `${percent(fresh / reads)} of ${count(reads)} missed nothing${reads === fresh ? '' : `; ${missed}`}`
  return [measured(`how fresh weak reads are, ${name}`, found)]
}

/**
 * Runs of one seed and one workload send the same operations, client by client. Where time ended them, one of them sent
 * more: what both sent is compared.
 */
export function sameOperations(runs: readonly JudgedRun[]): Verdict[] {
  const [first, ...others] = runs.filter(({ planned }) => planned.repetition === 1)
  if (first === undefined) return []
  const workload = JSON.stringify(first.planned.description.workload)
  const alike = others.filter(({ planned }) => JSON.stringify(planned.description.workload) === workload)
  if (alike.length === 0 || first.planned.description.workload.ratePerSecond !== undefined) return []
  const expected = byClient(first)
  let compared = 0
  const violations: string[] = []
  for (const other of alike) {
    for (const [client, operations] of byClient(other)) {
      const wanted = expected.get(client) ?? []
      const length = Math.min(wanted.length, operations.length)
      compared += length
      const at = operations.slice(0, length).findIndex((each, place) => asked(each) !== asked(wanted[place]!))
      if (at >= 0)
        violations.push(
          `operation ${at + 1} of ${client} differs between ${first.run.name} and ${other.run.name}`,
        )
    }
  }
  const found = `${plural(compared, 'operation')} of ${alike.length + 1} runs compared, the same in all`
  return [verdictOn('the runs were given the same operations', violations, found)]
}

/** Of a file the next client takes the next operation: who sends it is a matter of time. All else is each client's own. */
function byClient({ planned, run }: JudgedRun): Map<string, RecordedOperation[]> {
  const { workload } = planned.description
  const isShared = workload.kind === 'run-file'
  const clients = new Map<string, RecordedOperation[]>()
  for (const operation of [...run.operations].sort((a, b) => a.id - b.id)) {
    const name = isShared ? `the clients of "${ownKey(operation.key)}"` : operation.client
    const own = clients.get(name)
    if (own === undefined) clients.set(name, [operation])
    else own.push(operation)
  }
  // Operations of one key keep the order of the file, whoever sends them.
  if (isShared) for (const own of clients.values()) own.sort((a, b) => a.invokedMs - b.invokedMs)
  return clients
}

function asked(operation: RecordedOperation): string {
  const { type, key, value } = operation
  return JSON.stringify([type, ownKey(key), isWrite(operation) ? value : null])
}

/** Of all acknowledged writes: none that was strong may be lost, and every weak one that is must be an orphan. */
export function writesLost(runs: readonly JudgedRun[]): Verdict {
  const lost = { strong: 0, weak: 0, orphans: 0 }
  const writes = { strong: 0, weak: 0 }
  for (const { run } of runs) {
    const all = [...run.preload, ...run.operations]
    const { operations, log, orphans } = withDistinctValues({ ...run, operations: all })
    for (const { operation, where } of writeFates(operations, log, orphans)) {
      const mode = operation.consistency === 'strong' ? 'strong' : 'weak'
      writes[mode] += 1
      if (where === 'log') continue
      lost[mode] += 1
      if (where === 'orphan' && mode === 'weak') lost.orphans += 1
    }
  }
  const found =
    `strong: ${count(lost.strong)} of ${count(writes.strong)}; ` +
    `weak: ${count(lost.weak)} of ${count(writes.weak)}, ${count(lost.orphans)} of them found as orphans`
  const isKept = lost.strong === 0 && lost.weak === lost.orphans
  return { what: 'acknowledged writes that were lost', ok: isKept, found, violations: isKept ? [] : [found] }
}
