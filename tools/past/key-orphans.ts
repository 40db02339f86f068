/** Entries of one key that were cut off a log, each once, and their place among those that stayed. */

import type { LogLine } from '../log-line.js'
import type { NodeOrphan } from '../orphan-units.js'
import type { KeyOrphan, PastMoment } from './past-source.js'

/** Orphans as several nodes hold them, each once with its nodes; the newest first. */
export function keyOrphansOf(orphans: readonly NodeOrphan[]): KeyOrphan[] {
  const found = new Map<string, { line: LogLine; nodes: string[] }>()
  for (const { node, line } of orphans) {
    const id = `${line.shard}/${line.epoch}/${line.index}`
    const known = found.get(id)
    if (known === undefined) found.set(id, { line, nodes: [node] })
    else known.nodes.push(node)
  }
  return [...found.values()].sort((a, b) => newestFirst(a.line, b.line))
}

/** Whether an orphan was written at or before the moment. */
export function isAtOrBefore(line: LogLine, { moment }: PastMoment): boolean {
  return 'wallMs' in moment ? line.wallMs <= moment.wallMs : line.lamport <= moment.lamport
}

/**
 * Order of a key's entries, newest first. An orphan comes above all of its epoch that stayed, for the epoch's end was cut
 * off, and below all of later epochs.
 */
export function newestFirst(a: LogLine, b: LogLine): number {
  return b.epoch - a.epoch || b.index - a.index
}
