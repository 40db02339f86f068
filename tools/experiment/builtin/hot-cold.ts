/** Few keys take most of the operations: what that does to the shards and to those who wait for each other. */

import type { Verdict } from '../../history/verdict.js'
import { count, duration } from '../../text.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { latencyOf, measured, percent } from './measured.js'

const description = {
  name: 'hot-cold',
  title: 'Hot and cold keys',
  about:
    'Uniform over 400 keys, then ten of them taking nine operations out of ten, then nine writes out of ten. A log does not ' +
    'mind who is written: the hot keys only crowd the shards that hold them.',
  cluster: { shards: 3, replicas: 3, topology: 'chain' },
  consistency: 'strong',
  variants: [
    { name: 'uniform', workload: { kind: 'normal', clients: 32, duration: '8s' } },
    { name: 'hot-cold', workload: { kind: 'hot-cold', clients: 32, duration: '8s' } },
    { name: 'write-heavy', workload: { kind: 'write-heavy', clients: 32, duration: '8s' } },
  ],
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  const rate = ({ summary }: JudgedRun) => `${summary.name} ${count(summary.operationsPerSecond)}`
  const write = (judged: JudgedRun) =>
    `${judged.summary.name} ${duration(latencyOf(judged, 'write', 'strong')?.p50Ms ?? 0)}`
  return [
    ...always(runs),
    measured('operations a second', runs.map(rate).join(', ')),
    measured('how long a write takes, median', runs.map(write).join(', ')),
    measured('part of the operations that the busiest shard gets', runs.map(busiest).join(', ')),
    measured('part of the operations that the ten busiest keys get', runs.map(busiestKeys).join(', ')),
  ]
}

function busiest({ summary: { name, operations } }: JudgedRun): string {
  const totals = operations.map(({ set, get, delete: deleted }) => set + get + deleted)
  const all = totals.reduce((sum, each) => sum + each, 0)
  return `${name} ${percent(all === 0 ? 0 : Math.max(...totals) / all)}`
}

function busiestKeys({ run }: JudgedRun): string {
  const counts = new Map<string, number>()
  for (const { key } of run.operations) counts.set(key, (counts.get(key) ?? 0) + 1)
  const top = [...counts.values()].sort((a, b) => b - a).slice(0, 10)
  const part = top.reduce((sum, each) => sum + each, 0) / Math.max(1, run.operations.length)
  return `${run.name} ${percent(part)}`
}

export const hotCold: Builtin = { description, conclude }
