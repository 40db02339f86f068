/** What the runs of any experiment show together. */

import type { Verdict } from '../../history/verdict.js'
import type { JudgedRun } from '../run-experiment.js'

/** Compares nothing yet. */
export function conclude(_runs: readonly JudgedRun[]): Verdict[] {
  return []
}
