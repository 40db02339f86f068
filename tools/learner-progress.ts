/** How far a learner is, as `varve status` and `varve node join` show it. Pure. */

import type { Learner } from '../src/generated/varve/v1/cluster.js'
import { byteSize, count } from './text.js'

/** A learner's way. Indexes are of entries; `headIndex` and what follows from it is undefined if no head answers. */
export interface LearnerProgress {
  readonly address: string
  readonly upstream: string
  readonly index: number
  readonly headIndex: number | undefined
  /** Of the entries up to the head's last, 0 to 100; only 100 where nothing is missing. */
  readonly percent: number | undefined
  readonly baseReceivedBytes: number
  readonly baseTotalBytes: number
}

/** A learner beside what its head holds. */
export function progressOf(learner: Learner, headIndex: number | undefined): LearnerProgress {
  const { address, upstream, index, baseReceivedBytes, baseTotalBytes } = learner
  const percent = headIndex === undefined ? undefined : percentOf(index, headIndex)
  return { address, upstream, index, headIndex, percent, baseReceivedBytes, baseTotalBytes }
}

/** In words: `base 12 MB of 80 MB (15 %)`, then `1,200 of 5,000 entries (24 %)`. */
export function progressText(progress: LearnerProgress): string {
  const { index, headIndex, percent, baseReceivedBytes, baseTotalBytes } = progress
  if (baseReceivedBytes < baseTotalBytes) {
    const part = percentOf(baseReceivedBytes, baseTotalBytes)
    return `base ${byteSize(baseReceivedBytes)} of ${byteSize(baseTotalBytes)} (${part} %)`
  }
  if (headIndex === undefined) return `at ${count(index)}`
  return `${count(index)} of ${count(headIndex)} entries (${percent} %)`
}

/** Whole percents, rounded down, so that 100 means all of it. */
function percentOf(part: number, whole: number): number {
  if (part >= whole) return 100
  return Math.floor((part / whole) * 100)
}
