/** Where the logs in a folder stood at a moment. What is not in the folder is not waited for. */

import type { Cut } from '../../src/client/moment.js'
import type { TimeAddress } from '../../src/client/time-address.js'
import { EntryFlag, Operation, type Stamp } from '../../src/log/entry.js'
import type { Log } from '../../src/log/log.js'
import { outOfRetention } from '../../src/log/log-base.js'
import { indexAtMoment, type Moment, stampAt } from '../../src/log/moment.js'
import { indexOfMoment, stampBefore } from '../../src/projection/horizon-due.js'
import type { ShardProjection } from '../../src/projection/shard-projection.js'
import { badUsage, type CommandError } from '../exit-codes.js'
import { wallTime } from '../text.js'
import { withShardName } from './horizon-error.js'
import type { OfflineShards } from './offline-shards.js'
import type { PastMoment, PastTag } from './past-source.js'

/** A shard's log. */
interface NamedLog {
  readonly shard: string
  readonly log: Log
  /** Of a log that is kept from a base: more may be kept of some keys than of the log. */
  readonly projection: ShardProjection | undefined
}

/** A moment that all logs know: a wall or a Lamport time. */
type Time = PastMoment['moment']

/** So many are passed over at most. */
const TRAILING_NOOPS_MAX = 256

const NO_STAMP: Stamp = { lamport: 0, wallMs: 0 }

/**
 * Resolves an address for `shards` (default: all that the folder holds). Throws bad usage for one that is beyond all that
 * is there, before it, or not known; the horizon's error where retention dropped it.
 */
export async function resolveOffline(
  folder: OfflineShards,
  address: TimeAddress,
  option: string,
  shards: readonly string[] = folder.held,
  tags: readonly PastTag[] = [],
): Promise<PastMoment> {
  const logs = await Promise.all(shards.map(shard => namedLog(folder, shard)))
  const all = await Promise.all(folder.held.map(shard => namedLog(folder, shard)))
  if (address.kind === 'start') {
    return { moment: { lamport: 0 }, cuts: cutsOf(logs, startOf) }
  }
  if (address.kind === 'now') {
    const cuts = cutsOf(logs, each => cutAtIndex(each, newestIndex(each.log)))
    return { moment: { lamport: Math.max(0, ...Object.values(cuts).map(({ lamport }) => lamport)) }, cuts }
  }
  const own = address.kind === 'index' ? ownCut(address, option, all) : undefined
  const moment = own === undefined ? timeOf(address, option, tags) : { lamport: own.cut.lamport }
  const text = own?.text ?? textOf(moment)
  refuseToCome(moment, text, option, all)
  const cutOfLog = (each: NamedLog) => (each.shard === own?.shard ? own.cut : cutAtTime(each, moment))
  const cuts = cutsOf(logs, cutOfLog)
  if (isBeforeAll(cuts) && isBeforeAll(cutsOf(all, cutOfLog))) {
    throw badUsage(`${option}: ${text} is before the first entry${firstText(all)} (OUT_OF_RANGE)`)
  }
  return { moment, cuts }
}

async function namedLog(folder: OfflineShards, shard: string): Promise<NamedLog> {
  const log = folder.log(shard)
  return {
    shard,
    log,
    projection: log.base === undefined ? undefined : (await folder.open(shard)).projection,
  }
}

/** Before all entries: where a shard has lost its first ones, nobody knows what was then. */
function startOf({ shard, log }: NamedLog): Cut {
  if (log.base !== undefined) throw withShardName(shard, outOfRetention(log))
  return { index: 0, epoch: 0, lamport: 0, wallMs: 0 }
}

/** As a running cluster tells what is newest: NOOPs at the end, which close moments, are left aside. */
function newestIndex(log: Log): number {
  let index = log.lastIndex
  while (index > log.baseIndex && log.lastIndex - index < TRAILING_NOOPS_MAX) {
    const record = log.recordAt(index)!
    const slot = index - record.firstIndex
    const isClosing =
      record.operation(slot) === Operation.NOOP && (record.flags(slot) & EntryFlag.REFUSED) === 0
    if (!isClosing) break
    index -= 1
  }
  return index
}

/** An entry's own shard, where it is given by its index: in the others its Lamport time counts. */
function ownCut(
  { shard, index }: Extract<TimeAddress, { kind: 'index' }>,
  option: string,
  all: readonly NamedLog[],
): { shard: string; cut: Cut; text: string } {
  const names = all.map(each => each.shard).join(', ')
  if (shard === undefined && all.length > 1) {
    throw badUsage(
      `${option}: an index counts in one shard; say which with index:SHARD/${index}, of ${names}`,
    )
  }
  const found = shard === undefined ? all[0] : all.find(each => each.shard === shard)
  if (found === undefined) throw badUsage(`${option}: shard "${shard}" given, the folder holds ${names}`)
  const text = `index:${found.shard}/${index}`
  if (index > found.log.lastIndex) throw stillToCome(text, option, found)
  return { shard: found.shard, cut: cutAt(found, { kind: 'index', index }), text }
}

function timeOf(
  address: Extract<TimeAddress, { kind: 'wall' | 'lamport' | 'tag' | 'index' }>,
  option: string,
  tags: readonly PastTag[],
): Time {
  if (address.kind === 'wall') return { wallMs: address.wallMs }
  if (address.kind === 'lamport') return { lamport: address.lamport }
  if (address.kind === 'index') return { lamport: 0 }
  const tag = tags.find(({ name }) => name === address.name)
  if (tag !== undefined) return tag.moment
  throw badUsage(`${option}: there is no tag ${address.name}: \`varve tag list\` lists them`)
}

function refuseToCome(moment: Time, text: string, option: string, all: readonly NamedLog[]): void {
  const value = 'wallMs' in moment ? moment.wallMs : moment.lamport
  const newest = all.reduce<{ named: NamedLog; at: number } | undefined>((best, named) => {
    const { wallMs, lamport } = named.log.lastStamp
    const at = 'wallMs' in moment ? wallMs : lamport
    return best === undefined || at > best.at ? { named, at } : best
  }, undefined)
  if (newest === undefined || value > newest.at) throw stillToCome(text, option, newest?.named)
}

function stillToCome(text: string, option: string, newest: NamedLog | undefined): CommandError {
  const problem = `${option}: ${text} is still to come`
  if (newest === undefined || newest.log.lastIndex === 0) {
    return badUsage(`${problem}: the folder holds no entry (OUT_OF_RANGE)`)
  }
  const { lastStamp, lastIndex } = newest.log
  const time = `${wallTime(lastStamp.wallMs)} (Lamport ${lastStamp.lamport}, index ${lastIndex})`
  return badUsage(`${problem}: the newest time of ${newest.shard} in the folder is ${time} (OUT_OF_RANGE)`)
}

function cutAtTime(named: NamedLog, time: Time): Cut {
  return 'wallMs' in time
    ? cutAt(named, { kind: 'wall', wallMs: time.wallMs })
    : cutAt(named, { kind: 'lamport', lamport: time.lamport })
}

function cutAt(named: NamedLog, moment: Moment): Cut {
  try {
    const { log, projection } = named
    const index = projection === undefined ? indexAtMoment(log, moment) : indexOfMoment(projection, moment)
    return cutAtIndex(named, index)
  } catch (error) {
    throw withShardName(named.shard, error)
  }
}

function cutAtIndex({ log, projection }: NamedLog, index: number): Cut {
  const { base } = log
  const stamp = projection === undefined ? stampAt(log, index) : stampBefore(projection, index)
  const { lamport, wallMs } = (index === 0 ? undefined : stamp) ?? NO_STAMP
  const found = index === 0 ? 0 : log.recordAt(index)?.epoch
  const epoch = found ?? projection?.base?.epochOf(index) ?? 0
  const cut = { index, epoch, lamport, wallMs }
  if (base === undefined) return cut
  const { lamport: baseLamport, wallMs: baseWallMs } = base.stamp
  const horizon = { index: base.index, lamport: baseLamport, wallMs: baseWallMs, droppedMs: base.writtenMs }
  return { ...cut, horizon }
}

function cutsOf(logs: readonly NamedLog[], cut: (log: NamedLog) => Cut): Record<string, Cut> {
  return Object.fromEntries(logs.map(each => [each.shard, cut(each)]))
}

function isBeforeAll(cuts: PastMoment['cuts']): boolean {
  return Object.values(cuts).every(({ index }) => index === 0)
}

function textOf(time: Time): string {
  return 'wallMs' in time ? new Date(time.wallMs).toISOString() : `lamport:${time.lamport}`
}

function firstText(all: readonly NamedLog[]): string {
  const stamps = all.flatMap(({ log }) => stampAt(log, log.baseIndex + 1) ?? [])
  if (stamps.length === 0) return ': there is none yet'
  const wallMs = Math.min(...stamps.map(stamp => stamp.wallMs))
  const lamport = Math.min(...stamps.map(stamp => stamp.lamport))
  return `, which is of ${wallTime(wallMs)} (Lamport ${lamport})`
}
