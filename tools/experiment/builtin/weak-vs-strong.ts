/** The same operations in both modes, each on a cluster of its own: three shards, each a head with ten replicas around it. */

import type { Verdict } from '../../history/verdict.js'
import { duration } from '../../text.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { latencyOf, measured, percent, ratio } from './measured.js'

const description = {
  name: 'weak-vs-strong',
  title: 'Weak and strong consistency, side by side',
  about:
    'The same operations on the same cluster, once acknowledged when the head has them on its disk (weak), once when every ' +
    'replica has (strong). What strong costs in time, and what weak costs in freshness.',
  workload: { kind: 'normal', keys: 30, operations: 2_000, deleteShare: 0.3, clients: 64, connections: 2 },
  record: { sampleEvery: '100ms' },
  variants: [
    { name: 'strong', consistency: 'strong', cluster: { config: 'configs/10-strong.json' } },
    { name: 'weak', consistency: 'weak', cluster: { config: 'configs/10-weak.json' } },
  ],
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  const strong = runs.find(({ planned }) => planned.variant === 'strong')
  const weak = runs.find(({ planned }) => planned.variant === 'weak')
  if (strong === undefined || weak === undefined) return always(runs)
  return [...always(runs), ...costOfStrong(strong, weak), lagOfWeak(weak), agreement(runs)]
}

function costOfStrong(strong: JudgedRun, weak: JudgedRun): Verdict[] {
  return (['write', 'read'] as const).flatMap(kind => {
    const [slow, fast] = [latencyOf(strong, kind, 'strong'), latencyOf(weak, kind, 'weak')]
    if (slow === undefined || fast === undefined) return []
    const medians = `${duration(slow.p50Ms)} strong, ${duration(fast.p50Ms)} weak (${ratio(slow.p50Ms, fast.p50Ms)})`
    const tails = `p99 ${duration(slow.p99Ms)} and ${duration(fast.p99Ms)}`
    return [measured(`how long a ${kind} takes, median`, `${medians}; ${tails}`)]
  })
}

function lagOfWeak({ summary: { lag } }: JudgedRun): Verdict {
  const behind = `replicas lacked an entry of their head ${percent(lag.laggingShare)} of the time`
  return measured(
    'how far weak replicas are behind',
    `${behind}, ${duration(lag.longestMs)} in a row at most`,
  )
}

function agreement(runs: readonly JudgedRun[]): Verdict {
  const found = runs.map(({ summary: { name, quietAfterMs }, run }) => {
    if (run.quiet === undefined || quietAfterMs === null) return `${name}: not equal`
    return `${name}: all ${run.quiet.replicas} found equal ${duration(quietAfterMs)} after the load`
  })
  const isKept = runs.every(({ run }) => run.quiet !== undefined)
  return { what: 'replicas in the end', ok: isKept, found: found.join('; '), violations: isKept ? [] : found }
}

export const weakVsStrong: Builtin = { description, conclude }
