/**
 * A new cluster of one node that begins with logs of another one, cut off at given indexes: what `varve fork` makes.
 *
 * The fork must never be taken for the original. What keeps them apart is the cluster's id: a new one, in the
 * coordinator's store and in the node's. Nodes and coordinators of different clusters do not listen to each other, and
 * a node that finds a coordinator of another cluster than its folder's ends and says so.
 *
 * The logs keep their ids, and so their records byte for byte: the id is inside of what each record's hash covers, and a
 * fork whose hashes are the original's can be compared with it, entry by entry, up to the cut. But (log id, epoch)
 * must not name two things (I1: an epoch is never reused), or a client's token of the original's next epoch would seem
 * to be of the fork's. So the fork's epochs go on in a range that the original never comes to.
 *
 * All else goes by the rules. The stored configuration is the one of the log's last epoch with the fork's node as its only
 * member, in a life before its first (incarnation 0), and says that this member reported all that the log holds. So the
 * first start is a restart: the coordinator reserves the next epoch, seals the node, finds that it is a survivor (I5: it
 * holds the EPOCH record of that epoch, and no less than it reported) and puts it into office with an EPOCH entry of its
 * own, at which the whole log is committed.
 */
import { Topology } from '../generated/varve/v1/cluster.js'
import { type Configuration, ConfigurationStatus } from '../generated/varve/v1/replication.js'
import { LogError } from '../log/errors.js'
import { LevelLogStore } from '../log/level-log.js'
import type { Log, LogStore } from '../log/log.js'
import { type BaseName, baseBlobName } from '../log/log-base.js'
import { nullLogger } from '../log/logger.js'
import type { LogRecord } from '../log/record-codec.js'
import { RecordWriter } from '../log/record-writer.js'
import { prepareBase } from '../projection/install-base.js'
import { type ListedShard, type Membership, type MembershipStore, unborn } from '../replication/membership.js'
import { openMembershipStore } from '../replication/membership-store.js'
import { type ClusterConfig, nodesOf } from './cluster-config.js'
import { listedShards } from './start.js'
import { CLUSTER_ID_META } from './storage-node.js'

/** The fork's epochs begin at the next multiple: a cluster has an epoch for each change of its members. */
const EPOCHS_APART = 1_000_000
/** So much is handed to the disk before it is waited for. */
const FLUSH_SIZE_BYTES = 16_777_216

/** What is taken of one shard's log. */
export interface ForkedShard {
  /** As in the original, and in the fork's configuration. */
  readonly ordinal: number
  /** Last index that is taken; never inside an atomic batch. 0: the fork's shard begins empty. */
  readonly cutIndex: number
  /** What the log is kept from, at or below the cut; undefined where it is kept from its beginning. */
  readonly base: (BaseName & { readonly chunks: AsyncIterable<Buffer> }) | undefined
  /** The records above the base, in order, at least up to the one that holds the cut. What comes after is not read. */
  readonly records: AsyncIterable<LogRecord>
}

export interface ForkOptions {
  /** Of the new cluster: one node that holds all shards. */
  readonly config: ClusterConfig
  /** Empty folders, or none yet. */
  readonly coordinatorDir: string
  readonly nodeDir: string
  readonly shards: readonly ForkedShard[]
  /** So many entries are written, of all shards together. */
  readonly onProgress?: (entries: number) => void
}

export interface ForkFigures {
  readonly clusterId: string
  readonly entries: number
  readonly records: number
  readonly sizeBytes: number
}

/**
 * Writes the two folders. They are durable when this resolves; where it rejects they are good for nothing.
 * @throws LogError LOG_GAP where records are missing or do not continue each other, LOG_DAMAGED, LOG_IO
 */
export async function writeFork(options: ForkOptions): Promise<ForkFigures> {
  const { config, coordinatorDir, nodeDir, shards } = options
  const [address, ...others] = nodesOf(config)
  if (address === undefined || others.length > 0) throw new TypeError('a fork has one node')
  const memberships = await openMembershipStore(coordinatorDir)
  try {
    const store = await LevelLogStore.open({ dir: nodeDir, logger: nullLogger })
    try {
      store.setMeta(CLUSTER_ID_META, Buffer.from(memberships.clusterId))
      const figures = { clusterId: memberships.clusterId, entries: 0, records: 0, sizeBytes: 0 }
      const listed = listedShards(config)
      for (const shard of shards) {
        await writeLog(store, shard, figures, options.onProgress)
        await writeMembership(memberships, listed[shard.ordinal]!, address, store.log(shard.ordinal))
      }
      await store.flush()
      return figures
    } finally {
      await store.close()
    }
  } finally {
    await memberships.close()
  }
}

async function writeLog(
  store: LogStore,
  shard: ForkedShard,
  figures: { -readonly [Name in keyof ForkFigures]: ForkFigures[Name] },
  onProgress: ForkOptions['onProgress'],
): Promise<void> {
  const { ordinal, cutIndex, base } = shard
  const log = store.log(ordinal)
  if (cutIndex === 0) return
  if (base !== undefined) {
    await store.blobs.write(baseBlobName(ordinal, base), base.chunks)
    // Read as a whole before anything relies on it.
    const prepared = await prepareBase(ordinal, store.blobs, base)
    log.installBase(prepared.base, 0)
  }
  let unflushedBytes = 0
  for await (const record of cutIndex > log.lastIndex ? shard.records : []) {
    const taken = record.lastIndex <= cutIndex ? record : headOfRecord(record, cutIndex)
    log.append(taken)
    figures.entries += taken.count
    figures.records += 1
    figures.sizeBytes += taken.sizeBytes
    unflushedBytes += taken.sizeBytes
    if (unflushedBytes >= FLUSH_SIZE_BYTES) {
      await store.flush()
      unflushedBytes = 0
      onProgress?.(figures.entries)
    }
    if (log.lastIndex >= cutIndex) break
  }
  if (log.lastIndex !== cutIndex) {
    const text = `shard ${ordinal}: the log ends at index ${log.lastIndex}, expected entries up to ${cutIndex}`
    throw new LogError('LOG_GAP', text, { shard: ordinal, index: log.lastIndex + 1 })
  }
  // The node starts sealed at the epoch of its log, as after any restart (I2).
  log.adoptEpoch(log.epochs.at(-1)!.epoch)
  await store.flush()
}

/**
 * The record's entries up to `lastIndex`, which is inside of it, as a record of its own. Positions of entries stay what
 * they are, as the record begins where it did.
 */
export function headOfRecord(record: LogRecord, lastIndex: number): LogRecord {
  const writer = new RecordWriter()
  const { logId, shard, epoch, firstIndex, lamport, wallMs, commitIndex, previousHash } = record.header
  writer.begin({ logId, shard, epoch, firstIndex, lamport, wallMs, commitIndex, previousHash })
  for (let slot = 0; slot <= lastIndex - firstIndex; slot += 1) {
    const { bytes } = record
    const client = record.client(slot)
    writer.add(
      record.operation(slot),
      record.flags(slot),
      bytes,
      record.keyStart(slot),
      record.keyLength(slot),
      bytes,
      record.valueStart(slot),
      record.valueLength(slot),
      record.previous(slot),
      writer.client(record.clientId(client), record.clientActor(client)),
      record.sequence(slot),
    )
  }
  return writer.finish()
}

/** A shard whose log is empty is born anew: nothing is stored of it. */
async function writeMembership(
  memberships: MembershipStore,
  listed: ListedShard,
  address: string,
  log: Log,
): Promise<void> {
  const last = log.epochs.at(-1)
  if (last === undefined) return
  const { epoch, startIndex } = last
  const configuration: Configuration = {
    shard: listed.ordinal,
    logId: log.logId,
    epoch,
    head: address,
    members: [{ address, incarnation: 0, upstream: '' }],
    topology: listed.topology === 'star' ? Topology.STAR : Topology.CHAIN,
    minInSync: listed.minInSync,
    status: ConfigurationStatus.ACTIVE,
    recovery: undefined,
  }
  const membership: Membership = {
    ...unborn(log.logId, 1),
    reservedEpoch: (Math.floor(epoch / EPOCHS_APART) + 1) * EPOCHS_APART,
    current: configuration,
    active: configuration,
    activeEpochIndex: startIndex,
    base: configuration,
    baseEpochIndex: startIndex,
    baseEpochHash: log.epochStartHash(epoch)!.toString('hex'),
    // All that is in the log is committed in the fork, whatever became of its epochs.
    activeEpochs: log.epochs.map(each => each.epoch),
    reports: { [address]: log.lastIndex },
    commitBound: log.lastIndex,
  }
  await memberships.write(listed.ordinal, 0, membership)
}
