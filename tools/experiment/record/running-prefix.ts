/** Keys of a run on a cluster that holds other things: they begin so that they are nobody else's. */

const PREFIX = /^experiment\/\d+\//

/** The prefix of a run that begins at that time, epoch ms: each run has one of its own. */
export function runningPrefix(wallMs: number): string {
  return `experiment/${wallMs}/`
}

/** The key as the workload made it. */
export function ownKey(key: string): string {
  return key.replace(PREFIX, '')
}
