/** Members of every role fail in every way, leave and come back, while clients go on. */

import type { Verdict } from '../../history/verdict.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { pauses, requests } from './pauses.js'

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
    'middle falls silent and the head dies with what only it has, a head falls silent. Clients retry by themselves: ' +
    'what they see is how long an operation takes.',
  cluster: { shards: 1, replicas: 5 },
  workload: { kind: 'normal', clients: 8, duration: '51s', operations: 1_000_000 },
  variants: [
    { name: 'chain, strong', consistency: 'strong', cluster: { topology: 'chain' }, faults: CHAIN_FAULTS },
    { name: 'chain, weak', consistency: 'weak', cluster: { topology: 'chain' }, faults: CHAIN_FAULTS },
    { name: 'star, strong', consistency: 'strong', cluster: { topology: 'star' }, faults: STAR_FAULTS },
  ],
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  return [...always(runs), ...runs.map(({ run }) => pauses(run)), requests(runs)]
}

export const failures: Builtin = { description, conclude }
