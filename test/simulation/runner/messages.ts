/** What the runner and its workers say to each other. */
import type { ThemeName } from '../faults/names.js'

/** What a seed depends on, beside its number. */
export interface SeedSettings {
  readonly without: readonly string[]
  readonly theme: ThemeName | undefined
}

export interface SeedRequest extends SeedSettings {
  readonly seed: number
}

export interface SeedAnswer {
  readonly seed: number
  /** The stack of what went wrong, or undefined. */
  readonly failure: string | undefined
  readonly simulatedMs: number
  readonly events: number
  readonly operations: number
  readonly counts: readonly (readonly [string, number])[]
}
