/** Three experiments as they are usually made. */
import type { RecordedExperiment } from '../../../tools/experiment/record/recorded-experiment.js'
import { makeRun } from './made-run.js'

/** Strong against weak: three shards of eleven replicas each. */
export function weakAgainstStrong(): RecordedExperiment {
  const common = {
    topology: 'star',
    shards: 3,
    replicas: 11,
    seconds: 30,
    operationsPerSecond: 1_200,
  } as const
  const outages = [
    { replica: 0, target: 'HEAD', fromMs: 12_000, toMs: 17_000 },
    { replica: 7, target: '127.0.0.1:5008', fromMs: 21_000, toMs: 24_500 },
  ]
  return {
    name: 'weak-vs-strong',
    runs: [
      makeRun({ ...common, name: 'strong', consistency: 'strong', outages }),
      makeRun({ ...common, name: 'weak', consistency: 'weak', outages }),
    ],
  }
}

/** A chain of five whose head, middle and tail are killed one after the other. */
export function failoverChain(): RecordedExperiment {
  const outages = [
    { replica: 0, target: 'HEAD', fromMs: 8_000, toMs: 14_000 },
    { replica: 2, target: '127.0.0.1:5003', fromMs: 20_000, toMs: 26_000 },
    { replica: 4, target: '127.0.0.1:5005', fromMs: 32_000, toMs: 38_000 },
    { replica: 1, target: 'HEAD', fromMs: 44_000, toMs: 44_900 },
  ]
  const shape = { topology: 'chain', consistency: 'strong', shards: 1, replicas: 5, seconds: 60 } as const
  return {
    name: 'chain-failover',
    runs: [makeRun({ ...shape, name: 'chain', operationsPerSecond: 900, outages })],
  }
}

/** Chains and stars of one shard with more and more replicas. */
export function scaleSeries(): RecordedExperiment {
  const sizes = [1, 3, 5, 9, 15, 30, 60]
  const runs = (['chain', 'star'] as const).flatMap(topology =>
    sizes.map(replicas =>
      makeRun({
        name: `${topology}-${replicas}`,
        topology,
        consistency: 'strong',
        shards: 1,
        replicas,
        seconds: 4,
        operationsPerSecond: Math.round(4_000 / (1 + replicas * (topology === 'chain' ? 0.05 : 0.11))),
      }),
    ),
  )
  return { name: 'scale', runs }
}
