/** Measurements in words: what conclusions are made of. */

import type { Verdict } from '../../history/verdict.js'
import type { JudgedRun } from '../run-experiment.js'
import type { LatencySummary } from '../summary/run-summary.js'

/** Something that was measured and that nobody promised. */
export function measured(what: string, found: string): Verdict {
  return { what, ok: true, found, violations: [] }
}

/** A promise with numbers: `found` is said in either case. */
export function judged(what: string, ok: boolean, found: string): Verdict {
  return { what, ok, found, violations: ok ? [] : [found] }
}

/** Undefined where the run made no such operation. */
export function latencyOf(
  { summary }: JudgedRun,
  kind: LatencySummary['kind'],
  consistency: LatencySummary['consistency'],
): LatencySummary | undefined {
  return summary.latency.find(each => each.kind === kind && each.consistency === consistency)
}

/** A share of 0 to 1 as `99.5 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** `3.1 times`. */
export function ratio(one: number, other: number): string {
  return other === 0 ? 'no ratio' : `${(one / other).toFixed(1)} times`
}

/** Processor time of each node under load, in milliseconds, by address. */
export function cpuUnderLoad({ run }: JudgedRun): Map<string, number> {
  const spans = new Map<string, { readonly first: number; last: number }>()
  const endMs = run.loads.findLast(({ state }) => state === 'ended')?.atMs ?? Number.POSITIVE_INFINITY
  for (const { node, cpuMs, atMs } of run.samples) {
    if (atMs < 0 || atMs > endMs) continue
    const span = spans.get(node)
    if (span === undefined) spans.set(node, { first: cpuMs, last: cpuMs })
    else span.last = Math.max(span.last, cpuMs)
  }
  return new Map([...spans].map(([node, { first, last }]) => [node, last - first]))
}
