/** The experiments that come with Varve, by name. Each is written as a file would be, and may be printed as one. */

import type { Conclude } from '../run-experiment.js'
import { availability } from './availability.js'
import { chainVsStar } from './chain-vs-star.js'
import { failures } from './failures.js'
import { hotCold } from './hot-cold.js'
import { scale } from './scale.js'
import { weakVsStrong } from './weak-vs-strong.js'

/** A description, and what its runs show together. */
export interface Builtin {
  readonly description: { readonly name: string; readonly title: string; readonly about: string }
  readonly conclude: Conclude
}

export const BUILTINS: readonly Builtin[] = [
  weakVsStrong,
  chainVsStar,
  failures,
  availability,
  scale,
  hotCold,
]

/** Undefined where there is none of that name. */
export function builtinNamed(name: string): Builtin | undefined {
  return BUILTINS.find(({ description }) => description.name === name)
}
