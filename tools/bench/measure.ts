/** One row's measurement, and the median of several. */

import { median } from './latency.js'
import type { RunAnswer } from './load-protocol.js'
import { type Row, rowName } from './rows.js'
import type { ProcessUsage, Subject } from './subject.js'

/** What one row gave; CPU and memory by process, the client first. */
export interface Measurement {
  readonly opsPerSecond: number
  readonly windowSeconds: number
  readonly p50Us: number
  readonly p99Us: number
  readonly longestUs: number
  /** Reads that found nothing, though every key was written. */
  readonly misses: number
  /** How long replicas went on working after the last answer: what weak writes had left for later. */
  readonly drainMs: number
  /** CPU within the window, memory at its end. */
  readonly processes: readonly ProcessUsage[]
}

export interface WindowOptions {
  readonly keys: number
  readonly warmUpMs: number
  readonly windowMs: number
  /** Of the order of keys: another one in every round. */
  readonly seed: number
}

/** Puts the subject under the row's load once. */
export async function measureRow(subject: Subject, row: Row, options: WindowOptions): Promise<Measurement> {
  const { operation, level, outstanding } = row
  let before: Promise<ProcessUsage[]> | undefined
  const request = { kind: 'run', operation, level, outstanding, ...options }
  const onEvent = () => {
    before = subject.usage()
    // Awaited below; a failure must not count as unhandled before that.
    before.catch(() => {})
  }
  const answer = await Promise.race([subject.failed, subject.load.ask<RunAnswer>(request, onEvent)])
  const after = await subject.usage()
  const drainBegun = performance.now()
  await subject.settle()
  const drainMs = performance.now() - drainBegun
  const used = usedBetween((await before) ?? after, after)
  const client = { name: 'client', cpuSeconds: answer.cpuSeconds, rssBytes: answer.rssBytes }
  return {
    opsPerSecond: answer.operations / (answer.windowMs / 1_000),
    windowSeconds: answer.windowMs / 1_000,
    p50Us: answer.p50Us,
    p99Us: answer.p99Us,
    longestUs: answer.longestUs,
    misses: operation === 'read' ? answer.empty : 0,
    drainMs,
    processes: [client, ...used],
  }
}

function usedBetween(before: readonly ProcessUsage[], after: readonly ProcessUsage[]): ProcessUsage[] {
  return after.map((usage, at) => ({
    ...usage,
    cpuSeconds: usage.cpuSeconds - (before[at]?.cpuSeconds ?? usage.cpuSeconds),
  }))
}

/** Every figure's median over the rounds; misses are added up, of the longest latency the longest counts. */
export function medianOf(rounds: readonly Measurement[]): Measurement {
  const of = (pick: (round: Measurement) => number) => median(rounds.map(pick))
  const [first] = rounds
  return {
    opsPerSecond: of(round => round.opsPerSecond),
    windowSeconds: of(round => round.windowSeconds),
    p50Us: of(round => round.p50Us),
    p99Us: of(round => round.p99Us),
    longestUs: Math.max(...rounds.map(round => round.longestUs)),
    misses: rounds.reduce((sum, round) => sum + round.misses, 0),
    drainMs: of(round => round.drainMs),
    processes: (first?.processes ?? []).map(({ name }, at) => ({
      name,
      cpuSeconds: of(round => round.processes[at]?.cpuSeconds ?? 0),
      rssBytes: of(round => round.processes[at]?.rssBytes ?? 0),
    })),
  }
}

/** A line that says how a row went, for whoever watches. */
export function progressLine(row: Row, { opsPerSecond, p50Us, p99Us }: Measurement): string {
  const rate = Math.round(opsPerSecond).toLocaleString('en-US')
  return `${rowName(row)}: ${rate}/s, p50 ${p50Us} us, p99 ${p99Us} us`
}
