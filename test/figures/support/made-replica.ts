/** How late a made-up replica is, and what it therefore holds. */
import type { RecordedEntry } from '../../../tools/experiment/record/recorded-run.js'
import { Random } from '../../../tools/random.js'
import type { MadeRun } from './made-run.js'

/** A replica that is killed and started again. */
export interface Outage {
  /** Place in the first shard's first order. */
  readonly replica: number
  readonly target: string
  readonly fromMs: number
  readonly toMs: number
}

/** Milliseconds by which what that replica holds is older than what the head holds. */
export function delayAt(
  { seed = 1, consistency, topology }: MadeRun,
  shard: number,
  replica: number,
  ms: number,
): number {
  const random = new Random(seed, `delay ${shard} ${replica} ${Math.floor(ms / 400)}`)
  const hops = topology === 'chain' ? replica : 1
  const base = (consistency === 'strong' ? 0.6 : 9 + 5 * (replica % 4)) * hops
  const pause = random.chance(replica % 5 === 4 ? 0.2 : 0.03) ? random.between(60, 420) : 0
  return base * random.between(0.5, 1.6) + (consistency === 'strong' ? pause / 40 : pause)
}

/** How many entries of the log it holds at that time. */
export function entriesHeld(
  description: MadeRun,
  shard: number,
  replica: number,
  log: readonly RecordedEntry[],
  ms: number,
  isHead: boolean,
): number {
  const back = (description.outages ?? []).find(
    each => shard === 0 && each.replica === replica && ms >= each.toMs - 100 && ms < each.toMs + 800,
  )
  const catchingUpMs = back === undefined ? 0 : (back.toMs - back.fromMs) * (1 - (ms - back.toMs + 100) / 900)
  const seenMs = isHead ? ms : ms - delayAt(description, shard, replica, ms) - Math.max(0, catchingUpMs)
  let low = 0
  let high = log.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (log[middle]!.stampedMs <= seenMs) low = middle + 1
    else high = middle
  }
  return low
}
