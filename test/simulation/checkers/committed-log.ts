/**
 * Committed prefixes agree, by index and hash, for ever (I8); what a head commits is on the disk of every member, in an
 * epoch that is in office and has members enough (I4); stamps rise with the index (I7); a head in office has all that
 * was committed before it (I5, I6). This file also keeps what was committed, for the other checkers.
 */
import { type Entry, Operation } from '../../../src/log/entry.js'
import type { LogRecord } from '../../../src/log/record-codec.js'
import { hasEnoughMembers, isActive } from '../../../src/replication/configuration.js'
import type { Membership } from '../../../src/replication/membership.js'
import type { Cluster } from '../world/cluster.js'
import { type Checker, check, type ReplicaView } from './checker.js'
import type { Configurations } from './configurations.js'

/** What any replica ever called committed of one shard. */
export class CommittedShard {
  readonly records: LogRecord[] = []
  /** By index, from 1. */
  readonly entries: (Entry | undefined)[] = [undefined]
  readonly #byFirstIndex = new Map<number, LogRecord>()

  get lastIndex(): number {
    return this.records.at(-1)?.lastIndex ?? 0
  }

  recordFrom(firstIndex: number): LogRecord | undefined {
    return this.#byFirstIndex.get(firstIndex)
  }

  push(record: LogRecord): void {
    this.records.push(record)
    this.#byFirstIndex.set(record.firstIndex, record)
    for (let slot = 0; slot < record.count; slot += 1) this.entries.push(record.entry(slot))
  }

  /** Index of the newest entry of a key at or below `index`, 0 where there is none. */
  lastEntryOf(key: string, index: number): number {
    for (let at = Math.min(index, this.lastIndex); at > 0; at -= 1) {
      const { operation, key: bytes } = this.entries[at]!
      const isWrite = operation === Operation.SET || operation === Operation.DELETE
      if (isWrite && bytes.toString() === key) return at
    }
    return 0
  }

  /** The operator gave up what lies above: it is not committed any more. */
  cutTo(index: number): void {
    while (this.lastIndex > index) this.#byFirstIndex.delete(this.records.pop()!.firstIndex)
    this.entries.length = this.lastIndex + 1
  }
}

export class CommittedLog implements Checker {
  readonly shards: ReadonlyMap<number, CommittedShard>
  readonly #cluster: Cluster
  readonly #configurations: Configurations

  constructor(cluster: Cluster, configurations: Configurations) {
    this.#cluster = cluster
    this.#configurations = configurations
    this.shards = new Map(cluster.shape.shards.map(({ ordinal }) => [ordinal, new CommittedShard()]))
  }

  onReplica(view: ReplicaView, before: ReplicaView | undefined): void {
    const isSameLife = before?.life === view.life
    const from = Math.max(isSameLife ? before.commitIndex : 0, view.log.baseIndex)
    if (view.commitIndex > from) this.#onCommit(view, from)
    const isNewlyActive = view.isActive && !(isSameLife && before.isActive && before.epoch === view.epoch)
    if (isNewlyActive && view.role === 'head') this.#onInOffice(view)
  }

  #onCommit(view: ReplicaView, from: number): void {
    const { node, ordinal, log, commitIndex, role } = view
    const name = `${node.address}, shard ${ordinal}`
    check(commitIndex <= log.lastIndex, `${name}: committed ${commitIndex} and holds ${log.lastIndex}`)
    const shard = this.shards.get(ordinal)!
    let end = from
    for (let index = from + 1; index <= commitIndex; ) {
      const record = log.recordAt(index)
      check(record !== undefined, `${name}: committed ${index} and has no record of it`)
      this.#take(view, shard, record)
      end = record.lastIndex
      index = end + 1
    }
    check(end === commitIndex, `${name}: committed ${commitIndex}, where no record ends`)
    if (role === 'head') this.#checkHeldByAll(view, name)
  }

  #take(view: ReplicaView, shard: CommittedShard, record: LogRecord): void {
    const name = `${view.node.address}, shard ${view.ordinal}`
    const known = shard.recordFrom(record.firstIndex)
    if (known !== undefined) {
      check(known.hash.equals(record.hash), `${name}: committed another record at ${record.firstIndex}`)
      return
    }
    const { lastIndex } = shard
    check(record.firstIndex === lastIndex + 1, `${name}: committed ${record.firstIndex} over ${lastIndex}`)
    check(view.role === 'head', `${name}: committed ${record.firstIndex}, which no head has committed`)
    const before = shard.records.at(-1)
    check(record.lamport > (before?.lastLamport ?? 0), `${name}: Lamport time fell at ${record.firstIndex}`)
    check(record.wallMs >= (before?.wallMs ?? 0), `${name}: wall time fell at ${record.firstIndex}`)
    shard.push(record)
    this.#cluster.trace.count('transition: a head commits')
  }

  #checkHeldByAll({ ordinal, epoch, commitIndex, log }: ReplicaView, name: string): void {
    const configuration = this.#configurations.of(ordinal, epoch)
    check(configuration !== undefined, `${name}: committed in epoch ${epoch}, which was never stored`)
    check(isActive(configuration), `${name}: committed ${commitIndex} in epoch ${epoch}, not in office`)
    check(hasEnoughMembers(configuration), `${name}: committed ${commitIndex} below minInSync`)
    const hash = log.hashAt(commitIndex)
    for (const { address, incarnation } of configuration.members) {
      const member = this.#cluster.nodes.get(address)!
      // A later life may have lost its disk, or follow a later head: what this one promised is what counts.
      if (member.incarnation !== incarnation || member.disk.folder.isDamaged || !member.isUp) continue
      const held = member.disk.log(ordinal)
      if (held.adoptedEpoch > epoch) continue
      const durable = held.durableIndex
      check(durable >= commitIndex, `${name}: committed ${commitIndex}, ${address} has ${durable} on disk`)
      const isSame = hash !== undefined && held.hashAt(commitIndex)?.equals(hash) === true
      check(isSame, `${name}: committed ${commitIndex}, ${address} holds another record there`)
    }
  }

  #onInOffice({ node, ordinal, epoch, log }: ReplicaView): void {
    const shard = this.shards.get(ordinal)!
    const name = `${node.address}, shard ${ordinal}, head of epoch ${epoch}`
    for (const record of shard.records) {
      if (record.epoch >= epoch || record.lastIndex <= log.baseIndex) continue
      const isHeld = log.hashAt(record.lastIndex)?.equals(record.hash) === true
      check(isHeld, `${name}: lacks ${record.firstIndex} of epoch ${record.epoch}, which was committed`)
    }
  }

  onStored(ordinal: number, membership: Membership): void {
    const recovery = (membership as { recovery?: { cutIndex: number } | null }).recovery
    if (recovery !== null && recovery !== undefined) this.shards.get(ordinal)!.cutTo(recovery.cutIndex)
  }
}
