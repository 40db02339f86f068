/** Logs of a stopped cluster, read from its folder or one node's, which stays as it is (`log-source.ts`). */

import { Operation } from '../src/log/entry.js'
import { LogError } from '../src/log/errors.js'
import { horizonText } from '../src/log/horizon.js'
import { FolderScan, type LogScan } from '../src/log/level-scan.js'
import { baseBlobName } from '../src/log/log-base.js'
import { LogDamage } from '../src/log/log-damage.js'
import type { LogRecord } from '../src/log/record-codec.js'
import { newestCheckpointIndex } from '../src/projection/checkpoint.js'
import { endOnSignals } from './end-on-signals.js'
import { badUsage } from './exit-codes.js'
import { type LogLine, lineOfEntry } from './log-line.js'
import type { LogInfo, LogSource } from './log-source.js'
import { farthestFirst, progressIn } from './offline-choice.js'
import { nodesInOrder, type StoppedCluster, type StoppedNode, stoppedCluster } from './offline-folder.js'
import { note } from './output.js'

export { checkStopped, hasDatabase, readConfig } from './offline-folder.js'

/** One shard's log, and whose copy it is. */
export interface OfflineShard {
  readonly name: string
  readonly ordinal: number
  readonly node: StoppedNode
  readonly folder: FolderScan
  readonly log: LogScan
}

/**
 * Opens the folder of a stopped cluster or node. Of a cluster, each shard is read from the node whose log goes farthest, as
 * that would become its head (`offline-choice.ts`), or from the one at `replica`. `shard`: only that one will be read.
 * With `onDamage` the source goes on behind damage, and tells of it.
 */
export async function openOfflineLog(
  given: string,
  replica: string | undefined,
  shard: string | undefined,
  onDamage?: (shard: string, damage: LogDamage) => void,
): Promise<LogSource> {
  endOnSignals()
  const source = new OfflineLog(stoppedCluster(given), replica, onDamage)
  try {
    await source.open(shard)
    return source
  } catch (error) {
    await source.close()
    throw error
  }
}

class OfflineLog implements LogSource {
  readonly isLive = false
  readonly #cluster: StoppedCluster
  readonly #replica: string | undefined
  readonly #onDamage: ((shard: string, damage: LogDamage) => void) | undefined
  readonly #folders = new Map<string, FolderScan>()
  readonly #unreadable = new Map<string, LogError>()
  readonly #shards = new Map<string, OfflineShard>()
  #names: readonly string[] = []
  readonly #infos = new Map<string, LogInfo>()

  constructor(
    cluster: StoppedCluster,
    replica: string | undefined,
    onDamage: ((shard: string, damage: LogDamage) => void) | undefined,
  ) {
    const isThere = replica === undefined || cluster.nodes.some(({ name }) => name === replica)
    if (!isThere) {
      const have = cluster.nodes.map(({ name }) => name).join(', ') || 'none'
      throw badUsage(`--replica: ${replica} given, ${cluster.given} has no such node: its nodes are ${have}`)
    }
    this.#cluster = cluster
    this.#replica = replica
    this.#onDamage = onDamage
  }

  /** Opens what is needed for all shards, or for one. */
  async open(only: string | undefined): Promise<void> {
    const known = this.#cluster.shards
    if (known === undefined) return this.#openAlone()
    this.#names = known
    for (const [ordinal, name] of known.entries()) {
      if (only !== undefined && name !== only) continue
      const copies: OfflineShard[] = []
      for (const node of nodesInOrder(this.#cluster, ordinal)) {
        if (this.#replica !== undefined && node.name !== this.#replica) continue
        const folder = await this.#folderOrDamage(node)
        const log = folder instanceof LogError ? undefined : folder.log(ordinal)
        if (log !== undefined) copies.push({ name, ordinal, node, folder: folder as FolderScan, log })
      }
      // A node that was killed long before the others does not have what was written since.
      copies.sort((a, b) => farthestFirst(progressIn(a.log), progressIn(b.log)))
      if (copies[0] !== undefined) this.#shards.set(name, copies[0])
    }
    this.#tellUnreadable()
  }

  get shards(): readonly string[] {
    return this.#names
  }

  ordinal(shard: string): number {
    return this.#shard(shard).ordinal
  }

  origin(shard: string): string {
    return this.#shard(shard).node.name
  }

  async logInfo(shard: string): Promise<LogInfo> {
    const known = this.#infos.get(shard)
    if (known !== undefined) return known
    const { log, folder, ordinal } = this.#shard(shard)
    const { baseIndex, base, lastIndex, state } = log
    const epochs = state.spans.map(({ epoch, startIndex, endIndex, endHash }) => {
      return { epoch, startIndex, lastIndex: endIndex || lastIndex, hash: endHash }
    })
    // A checkpoint is written of what is committed, which may be more than the newest record says.
    const checkpointed = await newestCheckpointIndex(ordinal, folder.blobs)
    const told = Math.max(log.commitIndex, checkpointed > lastIndex ? 0 : checkpointed)
    const commitIndex = told === lastIndex ? told : Math.max(told, await this.#heldByAll(shard))
    const blob = base === undefined ? undefined : folder.blobs.open(baseBlobName(ordinal, base))
    const ofBase = { baseIndex, base, baseSizeBytes: blob?.sizeBytes ?? 0 }
    const info = { logId: state.logId, ...ofBase, lastIndex, commitIndex, epochs }
    this.#infos.set(shard, info)
    return info
  }

  async commitIndex(shard: string): Promise<number> {
    return (await this.logInfo(shard)).commitIndex
  }

  async *records(shard: string, fromIndex: number, toIndex: number): AsyncGenerator<LogRecord> {
    const { log, folder, ordinal } = this.#shard(shard)
    this.#refuseDamagedFolder(folder, shard)
    if (fromIndex > 0 && fromIndex <= log.baseIndex) throw beyondBase(shard, ordinal, log)
    for await (const scanned of log.scan(fromIndex, toIndex === 0 ? undefined : toIndex)) {
      if (!(scanned instanceof LogDamage)) yield scanned
      else if (this.#onDamage === undefined) throw scanned.toError(shard)
      else this.#onDamage(shard, scanned)
    }
  }

  async *orphans(shard: string): AsyncGenerator<LogLine> {
    for await (const scanned of this.#shard(shard).log.orphans()) {
      if (scanned instanceof LogDamage) {
        this.#onDamage?.(shard, scanned)
        continue
      }
      for (let slot = 0; slot < scanned.count; slot++) yield lineOfEntry(shard, scanned.entry(slot), 0)
    }
  }

  async baseBlob(shard: string): Promise<AsyncIterable<Buffer> | undefined> {
    const { log, folder, ordinal } = this.#shard(shard)
    if (log.base === undefined) return undefined
    const chunks = folder.blobs.read(baseBlobName(ordinal, log.base))
    if (chunks !== undefined) return chunks
    const text = `${shard}: the base at index ${log.base.index} is missing`
    throw new LogError('LOG_DAMAGED', text, { shard: ordinal, index: log.base.index })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#folders.values()].map(folder => folder.close()))
  }

  /** A node's folder by itself: its shards are called by their ordinals. */
  async #openAlone(): Promise<void> {
    const node = this.#cluster.nodes[0]!
    const folder = await this.#folder(node)
    this.#names = folder.shards().map(String)
    for (const ordinal of folder.shards()) {
      const name = String(ordinal)
      this.#shards.set(name, { name, ordinal, node, folder, log: folder.log(ordinal)! })
    }
  }

  /** A folder that is too damaged to be opened is no reason not to read another one. */
  async #folderOrDamage(node: StoppedNode): Promise<FolderScan | LogError> {
    const known = this.#unreadable.get(node.dir)
    if (known !== undefined) return known
    try {
      return await this.#folder(node)
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'LOG_DAMAGED') throw error
      this.#unreadable.set(node.dir, error)
      return error
    }
  }

  #tellUnreadable(): void {
    const [first] = this.#unreadable.values()
    if (first === undefined) return
    if (this.#shards.size === 0) throw first
    for (const error of this.#unreadable.values()) note(`varve: ${error.message}; reading other copies`)
  }

  async #folder(node: StoppedNode): Promise<FolderScan> {
    const known = this.#folders.get(node.dir)
    if (known !== undefined) return known
    const folder = await FolderScan.open(node.dir)
    this.#folders.set(node.dir, folder)
    return folder
  }

  /** What all members of the newest epoch hold is committed, where their folders are here; else 0. */
  async #heldByAll(shard: string): Promise<number> {
    const { log, ordinal } = this.#shard(shard)
    const copies = [log]
    for (const name of await membersOf(log)) {
      const node = this.#cluster.nodes.find(each => each.name === name)
      // One that is damaged or in use tells nothing.
      const folder = node === undefined ? undefined : await this.#folder(node).catch(() => undefined)
      const copy = folder?.log(ordinal)
      if (copy === undefined) return 0
      copies.push(copy)
    }
    if (copies.length === 1) return 0
    const index = Math.min(...copies.map(copy => copy.lastIndex))
    const hashes = await Promise.all(copies.map(copy => hashAt(copy, index)))
    const isSame = hashes.every(hash => hash !== undefined && hashes[0]?.equals(hash))
    return isSame ? index : 0
  }

  #shard(shard: string): OfflineShard {
    const found = this.#shards.get(shard)
    if (found !== undefined) return found
    if (!this.#names.includes(shard)) {
      throw badUsage(`shard "${shard}" given, ${this.#cluster.given} has ${this.#names.join(', ')}`)
    }
    throw badUsage(`${shard}: no node's folder here holds a replica of it`)
  }

  /** Its gaps would tell as well, but not where they come from. */
  #refuseDamagedFolder({ faults, problems }: FolderScan, shard: string): void {
    if (this.#onDamage !== undefined) return
    if (problems[0] !== undefined) throw new LogError('LOG_DAMAGED', `${shard}: ${problems[0]}`)
    const damage = faults.damages[0]
    if (damage === undefined) return
    const where = `damaged at offset ${damage.offset}, with good data from offset ${damage.endOffset} on`
    const remedy = '`varve log verify` says what is lost, --skip-damaged reads the rest'
    throw new LogError('LOG_DAMAGED', `${shard}: write-ahead file ${damage.file} is ${where}: ${remedy}`)
  }
}

/** The members of the newest epoch, if they are enough to commit anything. */
async function membersOf(log: LogScan): Promise<string[]> {
  const { startIndex = 0 } = log.state.spans[log.state.spans.length - 1] ?? {}
  try {
    for await (const record of log.scan(startIndex, startIndex)) {
      if (record instanceof LogDamage || record.operation(0) !== Operation.EPOCH) return []
      const { members, minInSync } = JSON.parse(record.value(0).toString('utf8'))
      return members.length < minInSync ? [] : members.map((member: { address: string }) => member.address)
    }
  } catch {
    // Not as we write it: nothing is known.
  }
  return []
}

/** Hash of the record that ends there. */
async function hashAt(log: LogScan, index: number): Promise<Buffer | undefined> {
  for await (const record of log.scan(index, index)) {
    if (!(record instanceof LogDamage) && record.lastIndex === index) return record.hash
  }
  return undefined
}

function beyondBase(shard: string, ordinal: number, { base }: LogScan): LogError {
  const { index, stamp, writtenMs } = base!
  const horizon = { index, stamp, droppedMs: writtenMs }
  return new LogError('LOG_OUT_OF_RETENTION', horizonText(shard, horizon), { shard: ordinal, index, horizon })
}
