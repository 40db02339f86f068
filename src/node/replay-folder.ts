/** The logs of a stopped cluster or node, opened from its folder to be replayed. The folder stays as it is. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { VarveError } from '../client/errors.js'
import { type At, askedMoment, type Cut, type ResolvedMoment } from '../client/moment.js'
import type { ReplayLog, ReplayLogs } from '../client/replay.js'
import { beforeAll } from '../client/replay-cluster.js'
import type { Moment as WireMoment } from '../generated/varve/v1/time_travel.js'
import { LogError } from '../log/errors.js'
import { LevelLogStore } from '../log/level-log.js'
import type { Log } from '../log/log.js'
import { nullLogger } from '../log/logger.js'
import { indexAtMoment, type Moment, stampAt } from '../log/moment.js'
import { newestCheckpointIndex, openProjection } from '../projection/checkpoint.js'
import { LogReplaySource } from '../projection/replay-source.js'
import { readTags, type TagMoment } from '../projection/tags.js'
import { parseClusterConfig } from './cluster-config.js'
import { pastError } from './past-errors.js'

/** What a cluster's folder is known by, and a node's database. */
const CONFIG_FILE = 'cluster.json'
const DATABASE_FILE = 'CURRENT'
/** Its database holds no logs. */
const COORDINATOR_FOLDER = 'coordinator'
/** How far below a cluster's folder its nodes' databases are looked for. */
const DEPTH_MAX = 2

interface OpenLog extends ReplayLog {
  readonly log: Log
  readonly store: LevelLogStore
}

/**
 * Opens a cluster's folder, or one node's. Of a cluster, a shard is read from the node that knows most of it to be
 * committed. Rejects with VarveError INVALID_ARGUMENT for a folder that is neither, UNAVAILABLE where a node runs on it,
 * DATA_LOSS where a log is damaged.
 */
export async function openFolderLogs(dir: string): Promise<ReplayLogs> {
  const names = shardNames(dir)
  const databases = databasesIn(dir, names === undefined ? 0 : DEPTH_MAX)
  const stores: LevelLogStore[] = []
  const close = async () => {
    await Promise.all(stores.splice(0).map(store => store.close()))
  }
  try {
    for (const database of databases) {
      const store = await openStore(database)
      if (store !== undefined) stores.push(store)
    }
    const logs = bestLogs(stores, names)
    if (logs.length === 0) throw notAFolder(dir)
    const count = names?.length ?? logs.length
    const resolve = (at: At | undefined, wanted: readonly string[]) => resolveIn(logs, count, at, wanted)
    return { shards: logs, resolve, close }
  } catch (error) {
    await close()
    throw error
  }
}

function shardNames(dir: string): string[] | undefined {
  const file = join(dir, CONFIG_FILE)
  if (!existsSync(file)) return undefined
  return Object.keys(parseClusterConfig(readFileSync(file, 'utf8'), file).shards)
}

function databasesIn(dir: string, depth: number): string[] {
  if (!existsSync(dir)) throw notAFolder(dir)
  const entries = readdirSync(dir, { withFileTypes: true })
  if (entries.some(each => each.name === DATABASE_FILE)) return [dir]
  if (depth === 0) return []
  // What was set aside as damaged is not a node's any more.
  const isNodes = (name: string) => name !== COORDINATOR_FOLDER && !name.includes('damaged')
  const folders = entries.filter(each => each.isDirectory() && isNodes(each.name))
  return folders
    .map(each => each.name)
    .sort()
    .flatMap(name => databasesIn(join(dir, name), depth - 1))
}

/** Undefined for a database that is not a node's: the coordinator keeps one, too. */
async function openStore(dir: string): Promise<LevelLogStore | undefined> {
  try {
    return await LevelLogStore.open({
      dir,
      logger: nullLogger,
      verifyFrom: newestCheckpointIndex,
      readOnly: true,
    })
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    if (error.code === 'LOG_FOREIGN') return undefined
    const codes = { LOG_LOCKED: 'UNAVAILABLE', LOG_NEWER_FORMAT: 'INVALID_ARGUMENT' } as const
    const code = error.code in codes ? codes[error.code as keyof typeof codes] : 'DATA_LOSS'
    throw new VarveError(code, error.message, { cause: error })
  }
}

function bestLogs(stores: readonly LevelLogStore[], names: readonly string[] | undefined): OpenLog[] {
  const ordinals = [...new Set(stores.flatMap(store => store.shards()))].sort((a, b) => a - b)
  return ordinals.flatMap(ordinal => {
    const name = names === undefined ? String(ordinal) : names[ordinal]
    const holders = stores.filter(store => store.shards().includes(ordinal))
    const best = holders.sort((a, b) => {
      const [left, right] = [a.log(ordinal), b.log(ordinal)]
      return right.commitIndexHint - left.commitIndexHint || right.lastIndex - left.lastIndex
    })[0]
    if (name === undefined || best === undefined) return []
    const log = best.log(ordinal)
    const source = new LogReplaySource(log, best.blobs)
    return [{ name, source, committedIndex: log.commitIndexHint, log, store: best }]
  })
}

async function resolveIn(
  logs: readonly OpenLog[],
  shardCount: number,
  at: At | undefined,
  wanted: readonly string[],
): Promise<ResolvedMoment> {
  const names = logs.map(each => each.name)
  const chosen = logs.filter(each => wanted.includes(each.name))
  const asked = askedMoment(at, Date.now(), names)
  if (asked.kind === 'resolved') return asked.resolved
  if (asked.kind === 'start') return beforeAll(wanted)
  const moment = await momentOf(asked.moment, logs, shardCount)
  const cuts = chosen.map(each => [each.name, cutAt(each, moment(each))] as const)
  const found = moment(chosen[0] ?? logs[0]!)
  const newest = Math.max(0, ...logs.map(({ log }) => log.lastStamp.lamport))
  const time =
    found.kind === 'wall'
      ? { wallMs: found.wallMs }
      : { lamport: found.kind === 'lamport' ? Math.min(found.lamport, newest) : 0 }
  return { moment: time, cuts: Object.fromEntries(cuts) }
}

type MomentOfLog = (log: OpenLog) => Moment

/** The moment as each log finds it. Throws VarveError OUT_OF_RANGE, NOT_FOUND. */
async function momentOf(asked: WireMoment, logs: readonly OpenLog[], count: number): Promise<MomentOfLog> {
  const { moment } = asked
  const newest = {
    lamport: Math.max(0, ...logs.map(({ log }) => log.lastStamp.lamport)),
    wallMs: Math.max(0, ...logs.map(({ log }) => log.lastStamp.wallMs)),
  }
  switch (moment?.$case) {
    case 'wallMs':
      return () => notBeyond({ kind: 'wall', wallMs: moment.value }, newest)
    case 'lamport':
      return () => notBeyond({ kind: 'lamport', lamport: moment.value }, newest)
    case 'tag': {
      const found = await findTag(moment.value, logs[0]!, count)
      return () => found
    }
    case 'index': {
      const { shard, index } = moment.value
      const own = logs.find(each => each.name === shard)!
      if (index > own.log.lastIndex) throw outOfRange(`index:${shard}/${index}`, `entry ${own.log.lastIndex}`)
      const stamp = index === 0 ? undefined : stampAt(own.log, index)
      const elsewhere: Moment = { kind: 'lamport', lamport: stamp?.lamport ?? 0 }
      return each => (each === own ? { kind: 'index', index } : elsewhere)
    }
    default:
      return () => ({ kind: 'lamport', lamport: Number.MAX_SAFE_INTEGER })
  }
}

function notBeyond(moment: TagMoment, newest: { lamport: number; wallMs: number }): Moment {
  const [asked, last] = [timeText(moment), moment.kind === 'wall' ? newest.wallMs : newest.lamport]
  const time = moment.kind === 'wall' ? moment.wallMs : moment.lamport
  if (time <= last) return moment
  throw outOfRange(asked, `${timeText({ kind: 'wall', wallMs: newest.wallMs })} (lamport:${newest.lamport})`)
}

function timeText(moment: TagMoment): string {
  return moment.kind === 'wall' ? new Date(moment.wallMs).toISOString() : `lamport:${moment.lamport}`
}

async function findTag(name: string, { log, store, source }: OpenLog, count: number): Promise<TagMoment> {
  const projection = await openProjection({ log, blobs: store.blobs, logger: nullLogger })
  const tags = (await readTags(projection, source.shard, count)) ?? []
  const found = tags.find(each => each.name === name)
  if (found !== undefined) return found.moment
  const known = tags.length === 0 ? 'there are none' : `there are ${tags.map(each => each.name).join(', ')}`
  throw new VarveError('INVALID_ARGUMENT', `no tag is called ${name}: ${known}`)
}

function cutAt({ name, log }: OpenLog, moment: Moment): Cut {
  try {
    const index = indexAtMoment(log, moment)
    const { lamport, wallMs } = (index === 0 ? undefined : stampAt(log, index)) ?? { lamport: 0, wallMs: 0 }
    const epoch = index === 0 ? 0 : (log.epochs.findLast(each => each.startIndex <= index)?.epoch ?? 0)
    return { index, epoch, lamport, wallMs }
  } catch (error) {
    throw pastError(name, log, error)
  }
}

function outOfRange(asked: string, newest: string): VarveError {
  return new VarveError('OUT_OF_RANGE', `${asked} is in the future: the newest here is ${newest}`)
}

function notAFolder(dir: string): VarveError {
  const expected = `expected the folder of a cluster (with ${CONFIG_FILE}) or of a node (with ${DATABASE_FILE})`
  return new VarveError('INVALID_ARGUMENT', `${JSON.stringify(dir)} holds no logs, ${expected}`)
}
