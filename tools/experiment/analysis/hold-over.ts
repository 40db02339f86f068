/** Steps of time finer than the samples: what was last said holds until the next sample is overdue. */

import { ascending, quantile } from './sorted.js'

/** Samples at most so many of their usual distances apart belong together. */
const DISTANCES_MAX = 2

/**
 * The values of steps of `stepMs` each, with those filled from the step before that are null only as the samples, taken
 * at `atMs`, are further apart than a step. What is null for longer stays so: the sampled was silent.
 */
export function heldOver(
  values: readonly (number | null)[],
  atMs: readonly number[],
  stepMs: number,
): (number | null)[] {
  const distances = ascending(atMs.slice(1).map((ms, place) => ms - atMs[place]!))
  const stepsMax = Math.floor((DISTANCES_MAX * (quantile(distances, 0.5) ?? 0)) / stepMs)
  let last: number | null = null
  let steps = 0
  return values.map(value => {
    steps = value === null ? steps + 1 : 0
    last = value ?? last
    return steps <= stepsMax ? last : null
  })
}
