/** What a time address came to, for people. */

import { styled } from '../column-printer.js'
import { note } from '../output.js'
import type { PastMoment, PastSource } from './past-source.js'

/** More shards than this are not named in a line for people. */
const SHARDS_SHOWN_MAX = 4

/** A moment without its cuts: an RFC 3339 time, `lamport:N`, or start. As a time address it says the same again. */
export function momentName({ moment }: Pick<PastMoment, 'moment'>): string {
  if ('wallMs' in moment) return new Date(moment.wallMs).toISOString()
  return moment.lamport === 0 ? 'start' : `lamport:${moment.lamport}`
}

/** A moment in a line: `at 2026-11-20T14:03:00.000Z: shard_0 #812, shard_1 #790`. */
export function momentText(at: PastMoment, word = 'at'): string {
  const cuts = Object.entries(at.cuts)
  const named = cuts.slice(0, SHARDS_SHOWN_MAX).map(([shard, { index }]) => `${shard} #${index}`)
  const more = cuts.length - named.length
  return `${word} ${momentName(at)}${wallText(at)}: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The wall time of the newest entry, where the moment itself is a Lamport time, which says nothing to people. */
function wallText({ moment, cuts }: PastMoment): string {
  const wallMs = Math.max(0, ...Object.values(cuts).map(cut => cut.wallMs))
  return 'wallMs' in moment || wallMs === 0 ? '' : ` (${new Date(wallMs).toISOString()})`
}

/** Says on stderr which shards' keys are not in a list, as the folder holds no replica of them. */
export function noteMissing({ missing }: Pick<PastSource, 'missing'>): void {
  if (missing.length === 0) return
  note(`varve: the keys of ${missing.join(', ')} are not among these: the folder holds no replica of them`)
}

/** Says on stderr what moments an answer is of: a script that reads stdout gets the answer alone. */
export function noteMoments(...lines: readonly string[]): void {
  for (const line of lines) note(hasStyle() ? styled(line, 'dim') : line)
}

function hasStyle(): boolean {
  return process.stderr.isTTY === true && !process.env.NO_COLOR
}
