/**
 * Tags: names of moments, kept in the logs of all shards under reserved keys (src/log/system-key.ts), so that each shard
 * knows by itself what it must keep. A value is JSON and holds the moment as a wall or Lamport time.
 */
import { indexOf } from '../log/entry.js'
import type { Moment } from '../log/moment.js'
import { systemPrefix } from '../log/system-key.js'
import type { ShardProjection } from './shard-projection.js'

/** A tag's moment: the same in all shards. */
export type TagMoment = Exclude<Moment, { kind: 'index' }>

export interface TagValue {
  readonly moment: TagMoment
  /** Who added it. */
  readonly actor: string
}

export interface Tag extends TagValue {
  readonly name: string
  /** Index of the entry that holds it. */
  readonly index: number
}

export const TAG_NAME_LENGTH_MAX = 128
/** Tags read between two pauses. */
const TAGS_A_PAGE = 1_000
const PAGE_SIZE_BYTES_MAX = 262_144

/** What is wrong with a tag's name, in words; undefined where nothing is. */
export function tagNameFault(name: string): string | undefined {
  const allowed = `1 to ${TAG_NAME_LENGTH_MAX} printable characters without "/" and spaces`
  // Separators, and what is no character: controls, formats, halves of pairs, those that mean nothing yet.
  const isFine = [...name].length <= TAG_NAME_LENGTH_MAX && /^[^\p{Z}\p{C}/]+$/u.test(name)
  return isFine ? undefined : `a tag's name is ${JSON.stringify(name)}, expected ${allowed}`
}

/** A tag as the value of its key. */
export function encodeTag({ moment, actor }: TagValue): Buffer {
  const at = moment.kind === 'wall' ? { wallMs: moment.wallMs } : { lamport: moment.lamport }
  return Buffer.from(JSON.stringify({ moment: at, actor }))
}

/** The tag that a value holds; undefined where it is none that `encodeTag` wrote. */
export function decodeTag(value: Buffer): TagValue | undefined {
  try {
    const { moment, actor } = JSON.parse(value.toString()) as { moment?: unknown; actor?: unknown }
    if (typeof actor !== 'string' || typeof moment !== 'object' || moment === null) return undefined
    const { wallMs, lamport } = moment as { wallMs?: unknown; lamport?: unknown }
    if (isTime(wallMs)) return { moment: { kind: 'wall', wallMs }, actor }
    if (isTime(lamport)) return { moment: { kind: 'lamport', lamport }, actor }
    return undefined
  } catch {
    return undefined
  }
}

/** All committed tags that a shard's projection holds, by name. Undefined where one cannot be read: then keep everything. */
export async function readTags(
  projection: ShardProjection,
  ordinal: number,
  shardCount: number,
): Promise<Tag[] | undefined> {
  const prefix = `${systemPrefix('tag', ordinal, shardCount)}/`
  const tags: Tag[] = []
  for (let start: Buffer | undefined = Buffer.from(prefix); start !== undefined; ) {
    const page = projection.scan({
      start,
      end: endOf(prefix),
      view: 'committed',
      limit: TAGS_A_PAGE,
      sizeBytesMax: PAGE_SIZE_BYTES_MAX,
    })
    for (const { key, position, entry } of page.items) {
      const value = decodeTag(entry!.value)
      if (value === undefined) return undefined
      tags.push({ ...value, name: key.toString().slice(prefix.length), index: indexOf(position) })
    }
    start = page.next
    if (start !== undefined) await projection.pause()
  }
  return tags
}

function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]! += 1
  return end
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
