/** Where the past begins that can still be read, and how that is said to people. */
import type { Stamp } from './entry.js'

export interface Horizon {
  /** What was there at this index can be read, and nothing below; 0: nothing was dropped. */
  readonly index: number
  /** Of the entry at that index. */
  readonly stamp: Stamp
  /** When what was below it was dropped, epoch ms; 0 where that is not known. */
  readonly droppedMs: number
  /** Keys that begin so, where it is the horizon of these only. */
  readonly prefix?: Buffer | undefined
}

/** What everybody is told who asks for what is below a horizon. `name` is the shard's. */
export function horizonText(name: string, { index, stamp, droppedMs, prefix }: Horizon): string {
  const keys = prefix === undefined ? '' : ` of keys that begin with ${JSON.stringify(prefix.toString())}`
  const on = droppedMs === 0 ? '' : ` on ${rfc3339(droppedMs)}`
  return `history of ${name}${keys} before ${rfc3339(stamp.wallMs)} (index ${index}) was dropped by retention${on}`
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
