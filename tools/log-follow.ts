/** Logs as they grow, for `varve log cat --follow`: what is committed since one last looked. */

import { setTimeout as delay } from 'node:timers/promises'
import { CommandError, codeOf, ExitCode, exitCodeOf } from './exit-codes.js'
import type { EntryFilter } from './log-filter.js'
import type { LogLine } from './log-line.js'
import { mergeByLamport } from './log-merge.js'
import { linesForward } from './log-reading.js'
import type { LogRange } from './log-selection.js'
import { type LogOptions, type LogSource, openLogSource } from './log-source.js'
import { note } from './output.js'

/** Between two looks, ms. */
const LOOK_EVERY_MS = 200
/** Between two tries while nobody answers, ms. */
const RETRY_EVERY_MS = 1_000

/**
 * Entries behind the ranges, as they are committed, in the order of their Lamport times among those found at one look; until
 * `signal`. A shard that changes its head, or is not there for a while, is asked again: what is committed keeps its index.
 */
export async function* followLogs(
  options: LogOptions,
  first: LogSource,
  ranges: readonly LogRange[],
  filter: EntryFilter | undefined,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const next = new Map(
    ranges.map(({ shard, lastIndex, firstIndex }) => [shard, Math.max(lastIndex + 1, firstIndex)]),
  )
  let source: LogSource | undefined = first
  let isToldOf = false
  try {
    while (!signal.aborted) {
      try {
        source ??= await openLogSource(options)
        const found = await newRanges(source, next)
        for await (const line of mergeByLamport(found.map(range => linesForward(source!, range, filter)))) {
          if (signal.aborted) return
          next.set(line.shard, line.index + 1)
          yield line
        }
        // Also those that were filtered out.
        for (const { shard, lastIndex } of found) next.set(shard, lastIndex + 1)
        isToldOf = false
        await pause(LOOK_EVERY_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        if (!mayPass(error)) throw error
        if (!isToldOf) note(`varve: ${(error as Error).message}; trying again`)
        isToldOf = true
        if (source !== first) await source?.close()
        source = undefined
        await pause(RETRY_EVERY_MS, signal)
      }
    }
  } finally {
    // The first one is closed by whoever opened it.
    if (source !== first) await source?.close()
  }
}

async function newRanges(source: LogSource, next: ReadonlyMap<string, number>): Promise<LogRange[]> {
  const ranges: LogRange[] = []
  for (const [shard, firstIndex] of next) {
    const info = await source.logInfo(shard)
    const lastIndex = Math.min(info.lastIndex, info.commitIndex)
    if (lastIndex >= firstIndex) ranges.push({ shard, info, firstIndex, lastIndex })
  }
  return ranges
}

/** Heads move and processes start again; what is dropped or damaged stays so. */
function mayPass(error: unknown): boolean {
  if (error instanceof CommandError)
    return error.exitCode === ExitCode.UNAVAILABLE || /has no head/.test(error.message)
  return codeOf(error) === 'NOT_MEMBER' || exitCodeOf(error) === ExitCode.UNAVAILABLE
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
