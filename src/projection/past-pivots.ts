/**
 * Views that nobody asked for, from which a walk back begins nearer to where it goes than from the present. They are made
 * where walks add up, at indexes of a coarse grid, so that few of them serve all moments.
 */
import type { PastViews } from './past-views.js'
import type { ShardProjection } from './shard-projection.js'

export interface PivotLimits {
  /** A view is made when walks have taken so many steps since the last one. Default 8,192. */
  readonly stepsBeforePivot: number
}

const STEPS_BEFORE_PIVOT = 8_192
/** The log is cut into at most so many parts, and no more than views of them are kept. */
const PARTS_MAX = 8

export class PastPivots {
  readonly #projection: ShardProjection
  readonly #views: PastViews
  readonly #stepsBefore: number
  #steps = 0

  constructor(projection: ShardProjection, views: PastViews, limits: Partial<PivotLimits> = {}) {
    this.#projection = projection
    this.#views = views
    this.#stepsBefore = limits.stepsBeforePivot ?? STEPS_BEFORE_PIVOT
  }

  /** A walk took so many steps to get to `index`. May begin to make a view; nobody waits for it. */
  walked(steps: number, index: number): void {
    this.#steps += steps
    if (this.#steps < this.#stepsBefore || steps === 0 || this.#views.isBuilding) return
    this.#steps = 0
    const pivot = this.#above(index)
    // Without it walks stay as long as they are.
    if (pivot !== undefined) this.#views.at(pivot).catch(() => {})
  }

  /** Where the part of the log ends that `index` is in; undefined in the last part, which the present ends. */
  #above(index: number): number | undefined {
    const { committedIndex, log } = this.#projection
    const parts = Math.min(PARTS_MAX, this.#views.countMax)
    const span = Math.max(1, committedIndex - log.baseIndex)
    // Powers of two, so that the grid stays where it is while the log grows.
    const size = 2 ** Math.ceil(Math.log2(span / parts))
    const end = Math.ceil(index / size) * size
    return end < committedIndex ? end : undefined
  }
}
