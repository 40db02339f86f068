/**
 * The data folder of a stopped cluster with one shard and one replica, whose log is a long one: what the benchmark of the
 * past reads. A cluster is started for a moment, so that the folder is what a cluster leaves; then its log is replaced by
 * one that was written faster, and the coordinator's memory is told where that one begins.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Operation } from '../../../src/log/entry.js'
import { LevelLogStore } from '../../../src/log/level-log.js'
import { nullLogger } from '../../../src/log/logger.js'
import {
  type ClusterConfig,
  makeLocalConfig,
  nodesOf,
  parseClusterConfig,
  serializeClusterConfig,
} from '../../../src/node/cluster-config.js'
import { type RunningNode, startCoordinator, startNode } from '../../../src/node/start.js'
import { replaceEpochHash } from '../../../src/node/stopped-coordinator.js'
import { entriesBetweenCheckpoints, saveCheckpoint } from '../../../src/projection/checkpoint.js'
import { ShardProjection } from '../../../src/projection/shard-projection.js'
import { badUsage, unavailable } from '../../exit-codes.js'
import { DataFolder, nodeName } from '../../local/data-folder.js'
import { freePorts } from '../../local/free-ports.js'
import { note } from '../../output.js'
import { count } from '../../text.js'
import { type HistoryBirth, type HistoryShape, writeHistory } from './history-log.js'

/** What was made, in the folder, once all of it is there. */
const DONE_FILE = 'history.json'
/** In a folder that is being made: what is found beside it is ours to remove. */
const MAKING_FILE = 'history.making'
const VERSION = 2

const READY_TIMEOUT_MS = 30_000
const SAID_EVERY_RECORDS = 4_096
const CLUSTER_ID = 'clusterId'

export interface HistoryFolder {
  readonly folder: DataFolder
  readonly config: ClusterConfig
  /** Of the only node. */
  readonly nodeDir: string
  readonly shape: HistoryShape
  /** Of all records. */
  readonly sizeBytes: number
  /** Stamps of the first and last entry, epoch ms. */
  readonly startMs: number
  readonly endMs: number
}

interface Done extends HistoryShape {
  readonly version: number
  readonly sizeBytes: number
  readonly startMs: number
  readonly endMs: number
}

/**
 * The folder at that path, made where there is none; one that was made before with the same shape is taken as it is.
 * @throws a bad-usage error where something else is there
 */
export async function historyFolder(path: string, shape: HistoryShape): Promise<HistoryFolder> {
  const folder = new DataFolder(path)
  const done = readDone(folder)
  if (done !== undefined) {
    const config = parseClusterConfig(readFileSync(folder.configFile, 'utf8'), folder.configFile)
    if (!isSameShape(done, shape))
      throw badUsage(`--data: ${path} holds ${describe(done)}: give another folder`)
    note(`using ${folder.path}`)
    return describeFolder(folder, config, done)
  }
  if (folder.exists && readdirSync(folder.path).length > 0) {
    if (!existsSync(join(folder.path, MAKING_FILE))) {
      throw badUsage(`--data: ${path} holds something else: give an empty or a new folder`)
    }
    for (const name of readdirSync(folder.path)) {
      if (name !== MAKING_FILE) rmSync(join(folder.path, name), { recursive: true })
    }
  }
  mkdirSync(folder.path, { recursive: true })
  writeFileSync(join(folder.path, MAKING_FILE), '')
  return await make(folder, shape)
}

async function make(folder: DataFolder, shape: HistoryShape): Promise<HistoryFolder> {
  note(`making ${folder.path}: ${describe(shape)}`)
  const config = makeLocalConfig({ shards: 1, replicas: 1, basePort: await freePorts(2) })
  folder.create(serializeClusterConfig(config))
  const [address] = nodesOf(config)
  const nodeDir = folder.nodeDir(nodeName(address!))
  await liveAMoment(folder, config, address!, nodeDir)
  const { birth, clusterId } = await birthOf(nodeDir)
  rmSync(nodeDir, { recursive: true })
  const endMs = Date.now()
  const first = await fill(nodeDir, shape, birth, clusterId, endMs)
  // The epoch that the coordinator remembers begins with another record now.
  await replaceEpochHash(folder.coordinatorDir, 0, first.hash)
  const { sizeBytes, wallMs: startMs } = first
  const done: Done = { version: VERSION, ...shape, sizeBytes, startMs, endMs }
  writeFileSync(join(folder.path, DONE_FILE), `${JSON.stringify(done)}\n`)
  rmSync(join(folder.path, MAKING_FILE))
  return describeFolder(folder, config, done)
}

/** Starts the cluster and ends it as soon as its shard serves. */
async function liveAMoment(
  folder: DataFolder,
  config: ClusterConfig,
  address: string,
  nodeDir: string,
): Promise<void> {
  const running: RunningNode[] = []
  const options = (dataDir: string) => {
    mkdirSync(dataDir, { recursive: true })
    return { config, dataDir, logger: nullLogger, onFatal: (message: string) => note(message) }
  }
  try {
    const coordinator = await startCoordinator(options(folder.coordinatorDir))
    running.push(coordinator)
    running.push(await startNode(address, options(nodeDir)))
    await isActive(coordinator)
  } finally {
    // The coordinator first: it must not take the node's going for a failure.
    for (const each of running) await each.stop()
  }
}

function isActive({ host }: RunningNode): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error('the shard was not in office in time')), READY_TIMEOUT_MS)
    const look = () => {
      if (host.shardMap()?.shards.every(({ status }) => status === 'ACTIVE') === true) end()
    }
    const unwatch = host.onShardMap(look)
    const end = (error?: Error) => {
      clearTimeout(timer)
      unwatch()
      if (error === undefined) resolve()
      else reject(unavailable(error.message))
    }
    look()
  })
}

async function birthOf(nodeDir: string): Promise<{ birth: HistoryBirth; clusterId: Buffer }> {
  const store = await LevelLogStore.open({ dir: nodeDir, logger: nullLogger })
  try {
    const log = store.log(0)
    const record = log.read(1)
    if (record === undefined || record.operation(0) !== Operation.EPOCH) {
      throw unavailable(`${nodeDir} does not begin with an EPOCH entry`)
    }
    const birth = { logId: log.logId, epoch: record.epoch, value: Buffer.from(record.value(0)) }
    return { birth, clusterId: Buffer.from(store.getMeta(CLUSTER_ID) ?? '') }
  } finally {
    await store.close()
  }
}

/** Writes the log, with the checkpoints that a node would have written. Returns what the first record is, and the size of all. */
async function fill(
  dir: string,
  shape: HistoryShape,
  birth: HistoryBirth,
  clusterId: Buffer,
  endMs: number,
): Promise<{ readonly hash: Buffer; readonly wallMs: number; readonly sizeBytes: number }> {
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  try {
    store.setMeta(CLUSTER_ID, clusterId)
    const log = store.log(0)
    const projection = new ShardProjection({ log })
    const context = { log, blobs: store.blobs, logger: nullLogger }
    let records = 0
    let sizeBytes = 0
    let checkpointAt = 0
    await writeHistory(store, shape, birth, endMs, record => {
      projection.apply(record)
      projection.commit(record.lastIndex)
      records++
      sizeBytes += record.sizeBytes
      if (records % SAID_EVERY_RECORDS === 0) note(`  ${count(record.lastIndex)} entries`)
      if (record.lastIndex - checkpointAt < entriesBetweenCheckpoints(projection.keyCount)) return undefined
      checkpointAt = record.lastIndex
      return store.flush().then(async () => void (await saveCheckpoint(projection, context)))
    })
    await saveCheckpoint(projection, context)
    const { hash, wallMs } = log.read(1)!
    return { hash, wallMs, sizeBytes }
  } finally {
    await store.close()
  }
}

function readDone(folder: DataFolder): Done | undefined {
  const file = join(folder.path, DONE_FILE)
  if (!existsSync(file)) return undefined
  const done = JSON.parse(readFileSync(file, 'utf8')) as Done
  return done.version === VERSION ? done : undefined
}

function isSameShape(one: HistoryShape, other: HistoryShape): boolean {
  return (['entries', 'keys', 'valueSizeBytes', 'versions'] as const).every(name => one[name] === other[name])
}

function describe({ entries, keys, valueSizeBytes }: HistoryShape): string {
  return `${count(entries)} entries over ${count(keys)} keys, values of ${valueSizeBytes} B`
}

function describeFolder(folder: DataFolder, config: ClusterConfig, done: Done): HistoryFolder {
  const { entries, keys, valueSizeBytes, versions, sizeBytes, startMs, endMs } = done
  const nodeDir = folder.nodeDir(nodeName(nodesOf(config)[0]!))
  const shape = { entries, keys, valueSizeBytes, versions }
  return { folder, config, nodeDir, shape, sizeBytes, startMs, endMs }
}
