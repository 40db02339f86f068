/**
 * Safety, judged from outside: it looks at disks, events and the coordinator's store, never at what a state machine
 * believes. A violation is an `Error`.
 */
import type { Configuration } from '../../../src/generated/varve/v1/replication.js'
import type { Log } from '../../../src/log/log.js'
import type { LogRecord } from '../../../src/log/record-codec.js'
import { hasEnoughMembers, isActive } from '../../../src/replication/configuration.js'
import type { Membership } from '../../../src/replication/membership.js'
import type { Event, Write } from '../harness/events.js'
import type { ModelCluster } from '../harness/model-cluster.js'
import type { ModelNode } from '../harness/model-node.js'
import { SHARD } from '../harness/process.js'

/** How far one life of a process has got. */
interface Life {
  readonly incarnation: number
  committedIndex: number
}

export class Judge {
  readonly #cluster: () => ModelCluster
  /** All that any replica ever called committed, in order, with the epoch whose head committed it. */
  readonly #committed: { readonly record: LogRecord; readonly epoch: number }[] = []
  readonly #lives = new Map<string, Life>()
  readonly #epochs = new Map<string, number>()
  readonly #heads = new Map<number, string>()
  readonly #reads = new Map<number, number>()
  readonly #weak: { readonly node: string; readonly write: Write }[] = []
  #stored: Membership | undefined
  /** No strong read that begins now may see less than this. */
  #seenIndex = 0

  constructor(cluster: () => ModelCluster) {
    this.#cluster = cluster
  }

  get committedIndex(): number {
    return this.#committed.at(-1)?.record.lastIndex ?? 0
  }

  onEvent(event: Event): void {
    switch (event.type) {
      case 'committed':
        return this.#onCommitted(event.node, event.index)
      case 'changed':
        return this.#onChanged(event.node)
      case 'acknowledged':
        return this.#onAcknowledged(event.node, event.write)
      case 'readReady':
        return this.#onRead(event.node, event.ticket, event.index)
      case 'alarm':
        throw new Error(`${event.node} raised an alarm: ${event.message}`)
    }
  }

  /** I1: what is stored of an epoch is never altered, but for becoming ACTIVE; nothing that must grow ever shrinks. */
  onStored(membership: Membership): void {
    const before = this.#stored
    this.#stored = membership
    if (before === undefined) return
    check(membership.logId === before.logId, 'the log id changed')
    check(membership.reservedEpoch >= before.reservedEpoch, 'the reserved epoch fell')
    check(membership.commitBound >= before.commitBound, 'the commit bound fell')
    const epochs = membership.activeEpochs
    check(
      before.activeEpochs.every((epoch, at) => epochs[at] === epoch),
      'an active epoch was forgotten',
    )
    const { current } = membership
    if (current === null || before.current === null || current.epoch !== before.current.epoch) return
    check(withoutStatus(current) === withoutStatus(before.current), `epoch ${current.epoch} was altered`)
    check(
      !isActive(before.current) || isActive(current),
      `epoch ${current.epoch} left office and kept its number`,
    )
  }

  onReadBegun(ticket: number): void {
    this.#reads.set(ticket, this.#seenIndex)
  }

  /** True for a head that serves while a later one has acknowledged what it does not have: reads here would be stale. */
  isOvertaken(node: ModelNode): boolean {
    const replica = node.driver?.replica
    return (
      replica !== undefined &&
      replica.writeRefusal(true) === undefined &&
      replica.commitIndex < this.#seenIndex
    )
  }

  /** True while one of these reads has no answer. */
  awaits(tickets: readonly number[]): boolean {
    return tickets.some(ticket => this.#reads.has(ticket))
  }

  /** After every step: adopted epochs never fall, over restarts neither. */
  afterStep(): void {
    for (const [address, node] of this.#cluster().nodes) {
      const epoch = node.log.durableEpoch
      check(epoch >= (this.#epochs.get(address) ?? 0), `${address} forgot that it adopted an epoch`)
      this.#epochs.set(address, epoch)
    }
  }

  /** When everything has come to rest: one log everywhere, and every weak loss lies on the disk of its head. */
  async atRest(): Promise<void> {
    const nodes = [...this.#cluster().nodes.values()]
    const [first] = nodes
    for (const node of nodes) {
      check(node.log.lastHash.equals(first!.log.lastHash), `${node.address} ends at another record`)
      check(this.#holdsCommitted(node.log), `${node.address} lacks what was committed`)
      const shown = node.projector!.records.map(({ hash }) => hash.toString('hex')).join()
      const kept = recordsOf(node.log)
        .map(({ hash }) => hash.toString('hex'))
        .join()
      check(shown === kept, `${node.address} shows other records than its log holds`)
    }
    for (const { node, write } of this.#weak) await this.#findWeak(this.#cluster().node(node), write)
  }

  #onCommitted(address: string, index: number): void {
    const node = this.#cluster().node(address)
    const life = this.#lives.get(address)
    const isSameLife = life?.incarnation === node.incarnation
    const before = isSameLife ? life.committedIndex : 0
    check(index > before, `${address} committed ${index} after ${before}`)
    this.#lives.set(address, { incarnation: node.incarnation, committedIndex: index })
    check(index <= node.log.lastIndex, `${address} committed ${index} and holds ${node.log.lastIndex}`)
    for (const record of recordsOf(node.log, index)) this.#takeCommitted(node, record)
    const last = node.log.hashAt(index)
    check(last !== undefined, `${address} committed ${index}, where no record ends`)
    const { configuration, isHead } = node.driver!.replica
    if (isHead) this.#checkHeldByAll(configuration!, index, last!)
  }

  /** Committed prefixes agree, by index and hash, for ever (I8); stamps rise with the index (I7). */
  #takeCommitted(node: ModelNode, record: LogRecord): void {
    const { address } = node
    const known = this.#committed.find(each => each.record.firstIndex === record.firstIndex)?.record
    if (known !== undefined) {
      return check(
        known.hash.equals(record.hash),
        `${address} committed another record at ${record.firstIndex}`,
      )
    }
    const before = this.#committed.at(-1)?.record
    const { isHead, epoch } = node.driver!.replica
    check(isHead, `${address} committed ${record.firstIndex}, which no head has committed`)
    check(record.firstIndex === this.committedIndex + 1, `${address} committed over a gap`)
    check(record.lamport > (before?.lastLamport ?? 0), `Lamport time fell at index ${record.firstIndex}`)
    check(record.wallMs >= (before?.wallMs ?? 0), `wall time fell at index ${record.firstIndex}`)
    this.#committed.push({ record, epoch })
  }

  /** I4: what a head commits is on every member's disk, in an epoch that is in office and large enough. */
  #checkHeldByAll(configuration: Configuration, index: number, hash: Buffer): void {
    const { epoch, members } = configuration
    check(
      this.#stored?.activeEpochs.includes(epoch) === true,
      `committed ${index} in epoch ${epoch}, never ACTIVE`,
    )
    check(hasEnoughMembers(configuration), `committed ${index} below minInSync`)
    for (const { address } of members) {
      const { log } = this.#cluster().node(address)
      check(log.durableIndex >= index, `committed ${index}, ${address} holds ${log.durableIndex} durably`)
      check(
        log.hashAt(index)?.equals(hash) === true,
        `committed ${index}, ${address} holds another record there`,
      )
    }
  }

  #onChanged(address: string): void {
    const node = this.#cluster().node(address)
    const { isHead, isActive: active, epoch } = node.driver!.replica
    if (!isHead) return
    // A head whose epoch is long over may hear only now that it is one: what later heads committed it need not have.
    const holds = this.#holdsCommitted(node.log, epoch - 1)
    check(holds, `${address}, head of epoch ${epoch}, lacks what was committed before it`)
    if (!active) return
    const name = `${address}#${node.incarnation}`
    const other = this.#heads.get(epoch) ?? name
    check(other === name, `${name} and ${other} both lead epoch ${epoch}`)
    this.#heads.set(epoch, name)
  }

  #onAcknowledged(address: string, write: Write): void {
    const { record, level } = write
    const { log } = this.#cluster().node(address)
    check(
      log.hashAt(record.lastIndex)?.equals(record.hash) === true,
      'acknowledged what the log does not hold',
    )
    if (level === 'weak') {
      check(log.durableIndex >= record.lastIndex, 'acknowledged before it was durable')
      this.#weak.push({ node: address, write })
      return
    }
    check(this.committedIndex >= record.lastIndex, `acknowledged ${record.lastIndex}, not committed`)
    this.#seenIndex = Math.max(this.#seenIndex, record.lastIndex)
  }

  #onRead(address: string, ticket: number, index: number): void {
    const floor = this.#reads.get(ticket)
    check(floor !== undefined, `read ${ticket} was answered twice or never asked`)
    this.#reads.delete(ticket)
    check(index >= floor!, `read ${ticket} at ${address} sees ${index}; ${floor} was seen before it began`)
    const { replica } = this.#cluster().node(address).driver!
    check(
      replica.commitIndex >= index,
      `read ${ticket} at ${address} sees ${index}, which it has not committed`,
    )
    this.#seenIndex = Math.max(this.#seenIndex, index)
  }

  /** True if the log has all that heads committed up to and in this epoch. */
  #holdsCommitted(log: Log, throughEpoch = Number.POSITIVE_INFINITY): boolean {
    return this.#committed.every(
      ({ record, epoch }) =>
        epoch > throughEpoch || log.hashAt(record.lastIndex)?.equals(record.hash) === true,
    )
  }

  async #findWeak(node: ModelNode, { label, record }: Write): Promise<void> {
    if (node.log.hashAt(record.lastIndex)?.equals(record.hash)) return
    for await (const orphan of node.store.log(SHARD).orphans()) if (orphan.hash.equals(record.hash)) return
    throw new Error(`weak write ${label} of ${node.address} is neither in the log nor among the orphans`)
  }
}

function check(holds: boolean, violation: string): void {
  if (!holds) throw new Error(violation)
}

function withoutStatus({ status: _, ...rest }: Configuration): string {
  return JSON.stringify(rest)
}

/** A log's records that end at or below `toIndex`. */
function recordsOf(log: Log, toIndex = log.lastIndex): LogRecord[] {
  const records: LogRecord[] = []
  for (let index = 1; index <= toIndex; ) {
    const record = log.recordAt(index)
    if (record === undefined) break
    records.push(record)
    index = record.lastIndex + 1
  }
  return records
}
