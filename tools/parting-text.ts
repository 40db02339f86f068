/** What is said about two replicas whose logs part. Nothing here prints. */

import { Operation } from '../src/log/entry.js'
import { lineObject, lineOfEntry, lineText } from './log-line.js'
import type { PartedHistory, PartedKey } from './parted-entries.js'
import type { ReplicaLog } from './replica-parting.js'
import type { ComparedPair } from './replica-partings.js'
import { count, jsonBytes, plural, printable, shorten } from './text.js'

const VALUE_LENGTH_MAX = 60

/** The object that stands for a compared pair in JSON. */
export function partingObject(shard: string, pair: ComparedPair): object {
  const { left, right, parting, first, keys } = pair
  const names = { left: left.replica, right: right.replica }
  if (parting.kind === 'dropped') return { ...names, kind: 'dropped', belowIndex: parting.belowIndex }
  if (parting.kind === 'apart') return { ...names, kind: 'apart' }
  if (parting.kind !== 'parted') return { ...names, kind: parting.kind, commonIndex: parting.commonIndex }
  const history = (log: ReplicaLog, side: PartedHistory) => ({
    count: side.count,
    beforeIndex: side.beforeIndex,
    entries: side.entries.map(entry => lineObject(lineOfEntry(shard, entry, log.commitIndex))),
  })
  return {
    ...names,
    kind: 'parted',
    commonIndex: parting.commonIndex,
    index: first?.index ?? parting.commonIndex + 1,
    first: first && {
      left: lineObject(lineOfEntry(shard, first.left, left.commitIndex)),
      right: lineObject(lineOfEntry(shard, first.right, right.commitIndex)),
    },
    hashes: { left: parting.left.hash.toString('hex'), right: parting.right.hash.toString('hex') },
    keyCount: keys?.count ?? 0,
    keysWhole: keys?.isWhole ?? true,
    keys: keys?.keys.map(key => ({
      ...jsonBytes('key', key.key),
      left: history(left, key.left),
      right: history(right, key.right),
    })),
  }
}

/** The same for people, in lines. */
export function partingLines(shard: string, pair: ComparedPair): string[] {
  const { left, right, parting, first } = pair
  const who = `the logs of ${left.replica} and ${right.replica}`
  if (parting.kind === 'dropped') {
    const below = `${who} parted at or below index ${count(parting.belowIndex)}`
    return [`${below}, where one of them no longer keeps its entries: the place cannot be named any more`]
  }
  if (parting.kind !== 'parted') return []
  const { commonIndex } = parting
  const index = first?.index ?? commonIndex + 1
  const same =
    commonIndex === 0 ? 'nothing before is the same' : `all up to ${count(commonIndex)} is the same`
  const width = Math.max(left.replica.length, right.replica.length)
  const held = first
    ? [heldLine(shard, left, first.left, width), heldLine(shard, right, first.right, width)]
    : [recordLine(left, parting.left, width), recordLine(right, parting.right, width)]
  return [
    `${who} part at index ${count(index)}; ${same}`,
    ...held,
    `  ${meaningOf(pair, index)}`,
    ...keyLines(pair),
  ]
}

function heldLine(
  shard: string,
  log: ReplicaLog,
  entry: Parameters<typeof lineOfEntry>[1],
  width: number,
): string {
  return `  ${log.replica.padEnd(width)}  ${lineText(lineOfEntry(shard, entry, log.commitIndex), VALUE_LENGTH_MAX)}`
}

function recordLine(
  log: ReplicaLog,
  record: { firstIndex: number; lastIndex: number; hash: Buffer },
  width: number,
) {
  const hash = record.hash.toString('hex').slice(0, 12)
  return `  ${log.replica.padEnd(width)}  a record of entries ${record.firstIndex} to ${record.lastIndex}, hash ${hash}`
}

/** What it means, by what is committed where. */
function meaningOf({ left, right, first }: ComparedPair, index: number): string {
  if (first === undefined) return 'the entries are the same: only the records that hold them differ'
  const committed = [left, right].filter(log => log.commitIndex >= index)
  const [tentative] = [left, right].filter(log => log.commitIndex < index)
  if (committed.length === 2) {
    return (
      'both hold their own as committed, which must never be: one of the disks, or the software, is at fault; ' +
      'keep both folders as they are, and compare with a third replica'
    )
  }
  if (committed.length === 0) {
    const [ours, theirs] = [first.left.epoch, first.right.epoch]
    const later = ours > theirs ? left : right
    const which =
      ours === theirs
        ? 'one of them'
        : `that of ${later.replica} if epoch ${Math.max(ours, theirs)} was in office`
    return `neither is known to be committed by what is written there: the shard goes on with ${which}`
  }
  const entries = plural(tentative!.lastIndex - index + 1, 'entry', 'entries')
  return (
    `the ${entries} of ${tentative!.replica} from there on are not committed: they are cut off when it follows the ` +
    'others, and stay on its disk as orphans (varve log orphans)'
  )
}

function keyLines({ left, right, keys }: ComparedPair): string[] {
  if (keys === undefined) return []
  if (keys.count === 0) return ['  no key was written differently since']
  const more = keys.isWhole ? '' : 'at least '
  const shown = keys.keys.length < keys.count ? `, ${keys.keys.length} of them here` : ''
  const lines = [`  ${more}${plural(keys.count, 'key')} written differently since${shown}, newest first:`]
  for (const key of keys.keys) lines.push(...oneKey(key, left, right))
  return lines
}

function oneKey({ key, left, right }: PartedKey, ours: ReplicaLog, theirs: ReplicaLog): string[] {
  return [`    ${printable(key)}`, ...history(ours, left), ...history(theirs, right)]
}

function history(log: ReplicaLog, { count: total, entries, beforeIndex }: PartedHistory): string[] {
  const before = beforeIndex === 0 ? 'never before' : `before that at index ${beforeIndex}`
  if (total === 0) return [`      ${log.replica}: not written since`]
  const lines = entries.map(({ index, operation, value, actor }) => {
    const what = operation === Operation.SET ? `set ${shorten(printable(value), VALUE_LENGTH_MAX)}` : 'delete'
    const mark = index <= log.commitIndex ? '' : ', not committed'
    return `      ${log.replica}: ${index} ${what}${actor === '' ? '' : ` by ${actor}`}${mark}`
  })
  const left = total - entries.length
  if (left > 0) lines.push(`      ${log.replica}: and ${count(left)} older`)
  lines[lines.length - 1] += ` (${before})`
  return lines
}
