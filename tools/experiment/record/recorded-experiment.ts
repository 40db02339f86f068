/** A whole experiment as its folder holds it. */

import type { RecordedRun } from './recorded-run.js'

export interface RecordedExperiment {
  readonly name: string
  /** In the order in which they were made. */
  readonly runs: readonly RecordedRun[]
}
