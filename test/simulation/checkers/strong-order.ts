/**
 * Strong operations are linearizable, with the log as the witness: the order of the log is an order in which they could
 * have happened one after another, each between its call and its answer. Session reads show at least what their client
 * has seen before. The general checker of `tools/history` looks at the same history without the log's help.
 */
import { checkLinearizable } from '../../../tools/history/linearizability.js'
import type { Operation } from '../history.js'
import { nameOf } from './acknowledged.js'
import { type Checker, check, type Rest } from './checker.js'
import type { CommittedLog, CommittedShard } from './committed-log.js'

/** Among so many that overlap the general checker finds its way; what never returned overlaps with all that follow. */
const CONCURRENT_MAX = 24

interface Step {
  readonly at: number
  readonly operation: Operation
  readonly isReturn: boolean
}

export class StrongOrder implements Checker {
  readonly #committed: CommittedLog
  readonly #ordinals: ReadonlyMap<string, number>

  constructor(
    committed: CommittedLog,
    shards: readonly { readonly name: string; readonly ordinal: number }[],
  ) {
    this.#committed = committed
    this.#ordinals = new Map(shards.map(({ name, ordinal }) => [name, ordinal]))
  }

  atRest({ history, cluster }: Rest): void {
    const { operations } = history
    this.#checkOrder(operations)
    // A refused conditional write changed nothing: to a register it never happened.
    const writes = operations.filter(({ applied }) => applied)
    const verdict = checkLinearizable(writes, { concurrentMax: CONCURRENT_MAX })
    if (verdict.ok) return
    if (verdict.reason === 'too concurrent') return cluster.trace.count('history: too concurrent to search')
    check(false, `not linearizable: key ${verdict.key}: ${verdict.explanation}`)
  }

  #checkOrder(operations: readonly Operation[]): void {
    const steps: Step[] = []
    for (const operation of operations) {
      steps.push({ at: operation.invokedAt, operation, isReturn: false })
      const { returnedAt, outcome } = operation
      if (returnedAt !== null && outcome === 'ok') steps.push({ at: returnedAt, operation, isReturn: true })
    }
    steps.sort((one, other) => one.at - other.at)
    /** By shard: no strong operation that begins now may see less. The same by shard and client. */
    const floors = new Map<string, number>()
    const floorsAt = new Map<number, { strong: Map<string, number>; session: Map<string, number> }>()
    const sessions = new Map<string, Map<string, number>>()
    for (const { operation, isReturn } of steps) {
      const session = sessions.get(operation.client) ?? new Map<string, number>()
      sessions.set(operation.client, session)
      if (!isReturn) {
        floorsAt.set(operation.id, { strong: new Map(floors), session: new Map(session) })
        continue
      }
      const { shard, index } = operation.position!
      const before = floorsAt.get(operation.id)!
      if (operation.consistency === 'strong') {
        this.#checkStrong(operation, before.strong.get(shard) ?? 0)
        floors.set(shard, Math.max(floors.get(shard) ?? 0, index))
      }
      if (operation.consistency === 'session') this.#checkSession(operation, before.session.get(shard) ?? 0)
      if (this.#isFinal(operation)) session.set(shard, Math.max(session.get(shard) ?? 0, index))
    }
  }

  #shard(operation: Operation): CommittedShard {
    return this.#committed.shards.get(this.#ordinals.get(operation.position!.shard)!)!
  }

  /** Whether what it saw or wrote is in the final log. */
  #isFinal(operation: Operation): boolean {
    const { index, epoch } = operation.position!
    return this.#shard(operation).entries[index]?.epoch === epoch
  }

  #checkStrong(operation: Operation, floor: number): void {
    const { index, epoch } = operation.position!
    const name = nameOf(operation)
    if (operation.type !== 'get') {
      return check(index > floor, `${name} stands before index ${floor}, which was seen before it began`)
    }
    const shard = this.#shard(operation)
    const least = shard.lastEntryOf(operation.key, floor)
    check(index >= least, `${name} saw index ${index}; ${least} was there before it began (floor ${floor})`)
    if (index === 0) return check(operation.value === null, `${name} saw a value at no index`)
    const entry = shard.entries[index]
    check(entry?.epoch === epoch, `${name} saw what is not in the log`)
    const value = entry.value.length === 0 ? null : entry.value.toString()
    check(value === operation.value, `${name} saw ${operation.value}, the log has ${value} there`)
    check(entry.key.toString() === operation.key, `${name} saw another key's entry`)
  }

  #checkSession(operation: Operation, floor: number): void {
    const { index } = operation.position!
    const least = this.#shard(operation).lastEntryOf(operation.key, floor)
    check(index >= least, `${nameOf(operation)} saw index ${index}; its session had seen ${least} before`)
  }
}
