/** How a run is called in a figure: its name, and what its cluster was. */

import type { RecordedRun } from '../experiment/record/recorded-run.js'
import { plural } from '../text.js'

/** `Run weak: 3 shards, each a star of 11 replicas; weak consistency.` */
export function runLabel({ name, about }: RecordedRun): string {
  const sizes = Object.values(about.shards).map(nodes => nodes.length)
  const shape = `a ${about.topology} of ${plural(Math.max(0, ...sizes), 'replica')}`
  const shards = sizes.length === 1 ? shape : `${sizes.length} shards, each ${shape}`
  return `Run ${name}: ${shards}; ${about.consistency} consistency.`
}
