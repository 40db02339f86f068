/** What `varve replay` says of what it did. */

import type { ReplayCommandOptions, ReplayOutcome } from '../commands/replay.js'
import { momentText } from '../past/moment-text.js'
import { count, duration, jsonBytes, plural, printable } from '../text.js'
import type { CheckDifference, Comparison } from './check.js'

const RATE_FROM = 10_000

/** For people, on as many lines as it needs. */
export function summaryLines(outcome: ReplayOutcome, options: ReplayCommandOptions): string[] {
  const { found, replayed, comparisons, written, tookMs } = outcome
  const entries = entriesOf(outcome)
  // Of a short log the time is that of asking for it.
  const rate = entries < RATE_FROM ? '' : ` (${count((entries * 1_000) / Math.max(1, tookMs))}/s)`
  const keys = replayed.reduce((sum, { state }) => sum + state.liveKeyCount, 0)
  const lines = [
    `replayed ${plural(entries, 'entry', 'entries')} in ${duration(tookMs)}${rate}: ${plural(keys, 'key')}`,
    found.moment === undefined ? `at ${found.name}` : momentText(found.moment),
  ]
  for (const { shard, state, toIndex } of replayed) {
    for (const { from, to } of state.missing) {
      lines.push(
        `${shard}: entries ${from} to ${to} are missing: keys written there hold what they held before`,
      )
    }
    if (state.index < toIndex) lines.push(`${shard}: entries ${state.index + 1} to ${toIndex} are missing`)
  }
  if (written !== undefined && options.out !== undefined) {
    lines.push(`wrote ${plural(written, 'key')} to ${options.out}`)
  }
  for (const comparison of comparisons ?? []) lines.push(comparisonText(comparison))
  return lines
}

/** The first keys that differ. */
export function differenceLines({ comparisons }: ReplayOutcome): string[] {
  const differing = (comparisons ?? []).filter(({ differences }) => differences.length > 0)
  return differing.flatMap(({ shard, what, differences }) => [
    `${shard}: the first ${plural(differences.length, 'key')} that the ${what} holds otherwise:`,
    ...differences.map(each => `  ${differenceText(each)}`),
  ])
}

/** For programs. */
export function summaryObject(outcome: ReplayOutcome, options: ReplayCommandOptions): object {
  const { found, replayed, comparisons, written, tookMs, damages } = outcome
  const entries = entriesOf(outcome)
  return {
    at: found.name,
    ...(found.moment === undefined ? {} : found.moment),
    entries,
    tookMs: Math.round(tookMs),
    entriesPerSecond: Math.round((entries * 1_000) / Math.max(1, tookMs)),
    shards: replayed.map(({ shard, state, toIndex }) => ({
      shard,
      index: toIndex,
      entries: state.entries,
      keys: state.liveKeyCount,
      missing: state.missing,
    })),
    ...(written === undefined ? {} : { written, out: options.out }),
    ...(damages === 0 ? {} : { damages }),
    ...(comparisons === undefined ? {} : checkObject(comparisons)),
  }
}

function checkObject(comparisons: readonly Comparison[]): object {
  return {
    same: comparisons.every(each => each.same),
    comparisons: comparisons.map(({ differences, ...rest }) => ({
      ...rest,
      differences: differences.map(({ key, replayed, found }) => ({
        ...jsonBytes('key', key),
        replayed,
        found,
      })),
    })),
  }
}

function entriesOf({ replayed }: ReplayOutcome): number {
  return replayed.reduce((sum, { state }) => sum + state.entries, 0)
}

function comparisonText({ shard, what, index, same, keys }: Comparison): string {
  const subject = {
    projection: `the keys that the projection has at index ${count(index)}`,
    digest: `the projection's state at index ${count(index)}, deleted keys too`,
    checkpoint: `the newest checkpoint, of index ${count(index)}`,
  }[what]
  return `${same ? 'same  ' : 'DIFFER'}  ${shard}: ${subject} (${plural(keys, 'key')})`
}

function differenceText({ key, replayed, found }: CheckDifference): string {
  return `${printable(key)}: replayed ${sideText(replayed)}, found ${sideText(found)}`
}

function sideText(index: number): string {
  if (index === 0) return 'nothing'
  return index > 0 ? `entry ${index}` : `deleted by entry ${-index}`
}
