/** Members of every role fail in every way, leave and come back, while clients go on. */

import type { Verdict } from '../../history/verdict.js'
import { duration, plural } from '../../text.js'
import type { FaultEvent } from '../record/events.js'
import type { RecordedRun } from '../record/recorded-run.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { judged, measured } from './measured.js'

const CHAIN_FAULTS = [
  { at: '3s', kill: 'HEAD' },
  { at: '6s', start: 'last' },
  { at: '9s', kill: 'MIDDLE' },
  { at: '12s', start: 'last' },
  { at: '15s', kill: 'TAIL' },
  { at: '18s', start: 'last' },
  { at: '21s', stop: 'HEAD' },
  { at: '24s', start: 'last' },
  { at: '27s', leave: 'n5' },
  { at: '30s', join: 'last' },
  // What the head acknowledges alone while nobody hears it is lost with it, and found on its disk.
  { at: '33s', pause: 'MIDDLE' },
  { at: '33.5s', kill: 'HEAD' },
  { at: '37s', resume: 'last' },
  { at: '38s', start: 'last' },
  { at: '42s', pause: 'HEAD' },
  { at: '46s', resume: 'last' },
]

const STAR_FAULTS = CHAIN_FAULTS.map(fault =>
  'kill' in fault && fault.kill !== 'HEAD'
    ? { ...fault, kill: 'LEAF' }
    : fault.pause === 'MIDDLE'
      ? { ...fault, pause: 'LEAF' }
      : fault,
)

const description = {
  name: 'failures',
  title: 'Members fail, leave and come back',
  about:
    'Head, middle and tail are killed (kill -9) and started again, a head ends in order, a node leaves and joins again, a ' +
    'middle falls silent and the head dies with what only it has, a head falls silent. Clients retry by themselves: what they see is how long an operation takes.',
  cluster: { shards: 1, replicas: 5 },
  workload: { kind: 'normal', clients: 8, duration: '51s', operations: 200_000 },
  variants: [
    { name: 'chain, strong', consistency: 'strong', cluster: { topology: 'chain' }, faults: CHAIN_FAULTS },
    { name: 'chain, weak', consistency: 'weak', cluster: { topology: 'chain' }, faults: CHAIN_FAULTS },
    { name: 'star, strong', consistency: 'strong', cluster: { topology: 'star' }, faults: STAR_FAULTS },
  ],
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  return [...always(runs), ...runs.map(pauses), requests(runs)]
}

/** A fault's effect is over before the next one: they are three seconds apart. */
const EFFECT_MS_MAX = 3_000

/** How long nothing was answered after each fault: what its clients saw of it. */
function pauses({ run }: JudgedRun): Verdict {
  const answersMs = run.operations
    .flatMap(({ outcome, returnedMs }) => (outcome === 'ok' && returnedMs !== null ? [returnedMs] : []))
    .sort((a, b) => a - b)
  const found = run.faults.map(fault => `${nameOf(fault)} ${duration(longestPause(answersMs, fault.atMs))}`)
  return measured(`longest time without an answer, ${run.name}`, found.join(', '))
}

function nameOf({ action, target }: FaultEvent): string {
  return target === 'last' ? action : `${action} ${target}`
}

function longestPause(answersMs: readonly number[], fromMs: number): number {
  let longest = 0
  let before = fromMs
  for (const each of answersMs) {
    if (each < fromMs) continue
    if (before > fromMs + EFFECT_MS_MAX) break
    longest = Math.max(longest, each - before)
    before = each
  }
  return longest
}

/** Clients have ten seconds for each operation: a failover must never take them. */
function requests(runs: readonly JudgedRun[]): Verdict {
  const failed = runs.reduce((sum, { summary }) => sum + summary.failed + summary.unknown, 0)
  const unavailable = runs.reduce((sum, { run }) => sum + countUnavailable(run), 0)
  const found =
    failed === 0 ? 'none failed' : `${plural(failed, 'operation')} failed, ${unavailable} with UNAVAILABLE`
  return judged('operations that failed for their clients', failed === 0, found)
}

function countUnavailable({ operations }: RecordedRun): number {
  return operations.filter(({ error }) => error?.startsWith('UNAVAILABLE') === true).length
}

export const failures: Builtin = { description, conclude }
