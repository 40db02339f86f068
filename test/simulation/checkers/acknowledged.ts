/**
 * What clients were told is so: a strong write that was acknowledged is committed at that very moment, and in the log at
 * the end; a weak one is in the log or on a disk: among its orphans, or at the end of a log that is no member's any more
 * (and becomes orphans when that node follows again). What failed is nowhere.
 */
import { Operation as EntryOperation } from '../../../src/log/entry.js'
import type { Operation } from '../history.js'
import type { Cluster } from '../world/cluster.js'
import { type Checker, check, type Rest } from './checker.js'
import type { CommittedLog, CommittedShard } from './committed-log.js'
import type { Configurations } from './configurations.js'

export class Acknowledged implements Checker {
  readonly #cluster: Cluster
  readonly #committed: CommittedLog
  readonly #configurations: Configurations
  /** Of each acknowledged weak write: whose disk held it then, and which disk that was. */
  readonly #weakAt = new Map<number, { head: string; generation: number }>()

  constructor(cluster: Cluster, committed: CommittedLog, configurations: Configurations) {
    this.#cluster = cluster
    this.#committed = committed
    this.#configurations = configurations
  }

  onReturned(operation: Operation): void {
    const { type, consistency, outcome, position } = operation
    if (type === 'get' || outcome !== 'ok' || position === null) return
    const ordinal = this.#ordinalOf(position.shard)
    const { lastIndex } = this.#committed.shards.get(ordinal)!
    if (consistency === 'strong') {
      check(position.index <= lastIndex, `${nameOf(operation)} was acknowledged and is not committed`)
      this.#checkInLog(operation)
      return
    }
    const head = this.#configurations.of(ordinal, position.epoch)?.head ?? ''
    const generation = this.#cluster.nodes.get(head)?.disk.generation ?? 0
    this.#weakAt.set(operation.id, { head, generation })
  }

  async atRest({ history }: Rest): Promise<void> {
    const onDisks = await this.#valuesOnDisks()
    for (const operation of history.operations) {
      if (operation.type === 'get') continue
      const { outcome, consistency, applied } = operation
      if (outcome === 'failed') this.#checkAbsent(operation)
      if (outcome !== 'ok') continue
      if (!applied) this.#checkAbsent(operation)
      if (consistency === 'strong') this.#checkInLog(operation)
      else this.#checkWeak(operation, onDisks)
    }
  }

  #ordinalOf(name: string): number {
    return this.#cluster.shape.shards.find(shard => shard.name === name)!.ordinal
  }

  #shardOf(operation: Operation): CommittedShard {
    return this.#committed.shards.get(this.#ordinalOf(operation.position!.shard))!
  }

  #isInLog(operation: Operation): boolean {
    const { position, key, value, type, applied } = operation
    const entry = this.#shardOf(operation).entries[position!.index]
    if (entry === undefined || entry.epoch !== position!.epoch) return false
    if (!applied) return entry.refused
    if (entry.key.toString() !== key) return false
    if (type === 'delete') return entry.operation === EntryOperation.DELETE
    return entry.operation === EntryOperation.SET && entry.value.toString() === value
  }

  #checkInLog(operation: Operation): void {
    check(this.#isInLog(operation), `${nameOf(operation)} was acknowledged and is not in the log`)
  }

  #checkWeak(operation: Operation, onDisks: ReadonlySet<string>): void {
    if (this.#isInLog(operation)) return
    const { head, generation } = this.#weakAt.get(operation.id)!
    // The one disk that it was promised on is gone: then a weak write may be.
    if (this.#cluster.nodes.get(head)?.disk.generation !== generation) return
    const { epoch, index } = operation.position!
    const isFound = onDisks.has(`${epoch}/${index}/${operation.value}`)
    this.#cluster.trace.count('transition: a weak write is lost and found')
    check(isFound, `${nameOf(operation)} is neither in the log nor among the orphans`)
  }

  #checkAbsent(operation: Operation): void {
    if (operation.value === null) return
    for (const { entries } of this.#committed.shards.values()) {
      const found = entries.find(entry => entry?.value.toString() === operation.value)
      check(found === undefined, `${nameOf(operation)} failed and is in the log at ${found?.index}`)
    }
  }

  async #valuesOnDisks(): Promise<Set<string>> {
    const found = new Set<string>()
    for (const node of this.#cluster.nodes.values()) {
      for (const { ordinal } of this.#cluster.shape.shards) {
        for (const record of await node.disk.records(ordinal)) {
          for (let slot = 0; slot < record.count; slot += 1) {
            const { epoch, index, value } = record.entry(slot)
            found.add(`${epoch}/${index}/${value.toString()}`)
          }
        }
      }
    }
    return found
  }
}

export function nameOf({ client, type, key, value, position, consistency }: Operation): string {
  const where =
    position === null ? '' : ` at ${position.shard} epoch ${position.epoch} index ${position.index}`
  return `${client}'s ${consistency} ${type} of ${key}${value === null ? '' : ` to ${value}`}${where}`
}
