/** What each process used of its machine. */

import type { SampleEvent } from '../record/events.js'
import type { RecordedRun } from '../record/recorded-run.js'
import { heldOver } from './hold-over.js'
import type { TimeSpan } from './load-time.js'

export interface NodeUse {
  readonly node: string
  /** For each bucket: per cent of one core, and resident memory at most; null where it was silent. */
  readonly cpuPercent: readonly (number | null)[]
  readonly rssBytes: readonly (number | null)[]
}

/** Every node that was sampled, by first appearance, in `count` equal parts of the time span. */
export function nodeUse(run: RecordedRun, span: TimeSpan, count: number): NodeUse[] {
  const byNode = new Map<string, SampleEvent[]>()
  for (const sample of run.samples) {
    const samples = byNode.get(sample.node)
    if (samples === undefined) byNode.set(sample.node, [sample])
    else samples.push(sample)
  }
  const bucketOf = (ms: number) => Math.floor(((ms - span.fromMs) / (span.toMs - span.fromMs)) * count)
  const stepMs = (span.toMs - span.fromMs) / count
  return [...byNode].map(([node, samples]) => {
    const { cpuPercent, rssBytes } = useOf(samples, bucketOf, count)
    const atMs = samples.map(sample => sample.atMs)
    return {
      node,
      cpuPercent: heldOver(cpuPercent, atMs, stepMs),
      rssBytes: heldOver(rssBytes, atMs, stepMs),
    }
  })
}

function useOf(
  samples: readonly SampleEvent[],
  bucketOf: (ms: number) => number,
  count: number,
): Omit<NodeUse, 'node'> {
  const cpuMs = new Array<number>(count).fill(0)
  const passedMs = new Array<number>(count).fill(0)
  const rssBytes = new Array<number | null>(count).fill(null)
  for (const [place, sample] of samples.entries()) {
    const bucket = bucketOf(sample.atMs)
    if (bucket < 0 || bucket >= count) continue
    rssBytes[bucket] = Math.max(rssBytes[bucket] ?? 0, sample.rssBytes)
    const before = samples[place - 1]
    // A process that was started anew counts from zero again.
    if (before === undefined || sample.cpuMs < before.cpuMs) continue
    cpuMs[bucket]! += sample.cpuMs - before.cpuMs
    passedMs[bucket]! += sample.atMs - before.atMs
  }
  const cpuPercent = cpuMs.map((ms, bucket) =>
    passedMs[bucket] === 0 ? null : (100 * ms) / passedMs[bucket]!,
  )
  return { cpuPercent, rssBytes }
}
