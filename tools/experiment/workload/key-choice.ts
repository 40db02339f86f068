/** Which of the keys 0 to n-1 an operation is about. */

import type { Random } from '../../random.js'
import type { MixedWorkload } from './workload.js'

export type KeyChoice = (random: Random) => number

/** All alike, or the hot ones (the first) as often as the workload says; within either group all alike. */
export function keyChoiceOf({ keys, hot }: Pick<MixedWorkload, 'keys' | 'hot'>): KeyChoice {
  if (hot === undefined) return random => random.below(keys)
  return random =>
    random.chance(hot.share) ? random.below(hot.keys) : hot.keys + random.below(keys - hot.keys)
}

/** Names of numbered keys, all of one length, so that their order is that of their numbers. */
export function keyName(prefix: string, number: number, digits: number): string {
  return `${prefix}${String(number).padStart(digits, '0')}`
}
