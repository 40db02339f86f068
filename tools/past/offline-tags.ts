/** Tags as the logs in a folder hold them. */

import { indexOf } from '../../src/log/entry.js'
import { SYSTEM_PREFIX } from '../../src/log/system-key.js'
import type { ShardProjection } from '../../src/projection/shard-projection.js'
import { decodeTag } from '../../src/projection/tags.js'
import type { OfflineShards } from './offline-shards.js'
import type { PastTag } from './past-source.js'

const TAGS = Buffer.from(`${SYSTEM_PREFIX}tag/`)
const TAGS_END = Buffer.from(`${SYSTEM_PREFIX}tag0`)
const PAGE = { limit: 1_000, sizeBytesMax: 262_144 }

/** The tags of the newest state, by name. Every shard has all of them: the first one's word is taken. */
export async function readOfflineTags(folder: OfflineShards): Promise<PastTag[]> {
  const [first] = folder.held
  if (first === undefined) return []
  const { projection } = await folder.open(first)
  return [...tagsIn(projection)].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Also those that are not known to be committed. */
function* tagsIn(projection: ShardProjection): Generator<PastTag> {
  for (let start: Buffer | undefined = TAGS; start !== undefined; ) {
    const page = projection.scan({ ...PAGE, start, end: TAGS_END, view: 'newest' })
    for (const { key, position } of page.items) {
      const entry = projection.entryAt(indexOf(position))
      const tag = entry === undefined ? undefined : decodeTag(entry.value)
      if (entry === undefined || tag === undefined) continue
      const { moment, actor } = tag
      const time = moment.kind === 'wall' ? { wallMs: moment.wallMs } : { lamport: moment.lamport }
      // Behind the shard's mark in braces.
      const name = key.toString().replace(/^.*?\}\//s, '')
      yield { name, moment: time, ...entry.stamp, actor }
    }
    start = page.next
  }
}
