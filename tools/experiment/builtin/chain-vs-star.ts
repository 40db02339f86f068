/** Two shapes of the replication tree under the same load, in both modes. */

import type { Verdict } from '../../history/verdict.js'
import { count, duration } from '../../text.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { cpuUnderLoad, latencyOf, measured, percent, ratio } from './measured.js'

const load = { kind: 'normal', clients: 16, duration: '8s' }

const description = {
  name: 'chain-vs-star',
  title: 'Chain and star',
  about:
    'Seven replicas of one shard, one after another or all around the head. A chain spreads the forwarding over all replicas ' +
    'and adds up their delays; a star has the shortest way and all the forwarding at the head.',
  cluster: { shards: 1, replicas: 7 },
  workload: load,
  variants: [
    { name: 'chain, strong', consistency: 'strong', cluster: { topology: 'chain' } },
    { name: 'star, strong', consistency: 'strong', cluster: { topology: 'star' } },
    { name: 'chain, weak', consistency: 'weak', cluster: { topology: 'chain' } },
    { name: 'star, weak', consistency: 'weak', cluster: { topology: 'star' } },
  ],
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  const compared = (['strong', 'weak'] as const).flatMap(mode => {
    const [chain, star] = ['chain', 'star'].map(shape =>
      runs.find(({ planned }) => planned.variant === `${shape}, ${mode}`),
    )
    return chain === undefined || star === undefined ? [] : compare(mode, chain, star)
  })
  return [...always(runs), ...compared]
}

function compare(mode: 'strong' | 'weak', chain: JudgedRun, star: JudgedRun): Verdict[] {
  const [slow, fast] = [latencyOf(chain, 'write', mode), latencyOf(star, 'write', mode)]
  const rates = [chain, star].map(({ summary }) => summary.operationsPerSecond)
  const latency =
    slow === undefined || fast === undefined
      ? []
      : [
          measured(
            `how long a ${mode} write takes, median`,
            `${duration(slow.p50Ms)} in the chain, ${duration(fast.p50Ms)} in the star (${ratio(slow.p50Ms, fast.p50Ms)})`,
          ),
        ]
  return [
    ...latency,
    measured(
      `${mode} operations a second`,
      `${count(rates[0]!)} in the chain, ${count(rates[1]!)} in the star`,
    ),
    measured(
      `the head's part of the nodes' processor time, ${mode}`,
      `${headPart(chain)} in the chain, ${headPart(star)} in the star`,
    ),
  ]
}

function headPart(judged: JudgedRun): string {
  const cpu = cpuUnderLoad(judged)
  const head = Object.values(judged.run.about.shards)[0]?.[0] ?? ''
  const total = [...cpu.values()].reduce((sum, ms) => sum + ms, 0)
  return total === 0 ? 'unknown' : percent((cpu.get(head) ?? 0) / total)
}

export const chainVsStar: Builtin = { description, conclude }
