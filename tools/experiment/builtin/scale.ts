/** From one replica to eighty on this machine, in one chain and in one star. */

import type { Verdict } from '../../history/verdict.js'
import { byteSize, count, duration } from '../../text.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { measured } from './measured.js'
import { pauses, requests } from './pauses.js'

const CHAIN_REPLICAS = [1, 3, 10, 20, 40, 60, 80]
const STAR_REPLICAS = [3, 10, 20, 40, 60, 80]

/** The longest chain once more, with clients that never stop while its members are killed. */
const FAILING = {
  name: 'chain of 80, killed',
  cluster: { topology: 'chain', replicas: 80 },
  workload: { ramp: null, clients: 8, duration: '75s', operations: 100_000, timeout: '30s' },
  faults: [
    { at: '5s', kill: 'HEAD' },
    { at: '20s', start: 'last' },
    { at: '30s', kill: 'MIDDLE' },
    { at: '40s', start: 'last' },
    { at: '50s', kill: 'TAIL' },
    { at: '60s', start: 'last' },
  ],
}

const description = {
  name: 'scale',
  title: 'One to eighty replicas of one shard',
  about:
    'Every replica is a process of its own with a LevelDB of its own, all on this machine, whose cores they share. First one ' +
    'client, then 64 at once; half writes, uniform over 400 keys, strong. Last, head, middle and tail of the longest ' +
    'chain are killed.',
  cluster: { shards: 1 },
  consistency: 'strong',
  workload: {
    kind: 'normal',
    ramp: [
      { clients: 1, for: '6s' },
      { clients: 64, for: '8s' },
    ],
    operations: 100_000,
    timeout: '30s',
  },
  record: { sampleEvery: '1s' },
  variants: [
    ...CHAIN_REPLICAS.map(replicas => ({
      name: `chain of ${replicas}`,
      cluster: { topology: 'chain', replicas },
    })),
    ...STAR_REPLICAS.map(replicas => ({
      name: `star of ${replicas}`,
      cluster: { topology: 'star', replicas },
    })),
    FAILING,
  ],
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  const failing = runs.filter(({ run }) => run.faults.length > 0)
  const quiet = runs.filter(each => !failing.includes(each))
  const shapes = (['chain', 'star'] as const).flatMap(shape => {
    const own = quiet.filter(({ summary }) => summary.topology === shape)
    return own.length === 0 ? [] : growth(shape, own)
  })
  const faults = failing.length === 0 ? [] : [...failing.map(({ run }) => pauses(run)), requests(failing)]
  return [...always(runs), ...shapes, memory(runs), ...faults]
}

/** Every measure from the smallest cluster to the largest. */
function growth(shape: 'chain' | 'star', runs: readonly JudgedRun[]): Verdict[] {
  const clients = [...new Set(runs.flatMap(({ summary }) => summary.steps.map(step => step.clients)))]
  const rows = (of: (judged: JudgedRun) => string) =>
    runs.map(judged => `${judged.summary.replicas}: ${of(judged)}`).join(', ')
  return [
    measured(
      `${shape}: ready after (by replicas)`,
      rows(({ summary }) => duration(summary.startedInMs ?? 0)),
    ),
    ...clients.flatMap(each => {
      const step = ({ summary }: JudgedRun) => summary.steps.find(row => row.clients === each)
      return [
        measured(
          `${shape}: operations a second with ${each} at once (by replicas)`,
          rows(judged => count(step(judged)?.operationsPerSecond ?? 0)),
        ),
        measured(
          `${shape}: median latency with ${each} at once (by replicas)`,
          rows(judged => duration(step(judged)?.p50Ms ?? 0)),
        ),
      ]
    }),
  ]
}

function memory(runs: readonly JudgedRun[]): Verdict {
  const most = (judged: JudgedRun) => Math.max(...judged.summary.steps.map(({ rssBytesMax }) => rssBytesMax))
  const found = runs.map(judged => `${judged.summary.name}: ${byteSize(most(judged))}`)
  return measured('memory of the largest node process', found.join(', '))
}

export const scale: Builtin = { description, conclude }
