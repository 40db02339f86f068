/**
 * The cuts of all shards at one moment are closed under causes (Time): where a write is in them, so is all that its client
 * had seen before it wrote. Wall times promise that as long as clocks are sound.
 */
import type { Operation } from '../history.js'
import { nameOf } from './acknowledged.js'
import { type Checker, check, type Rest } from './checker.js'
import type { CommittedLog } from './committed-log.js'

/** Where a write stands, and the greatest index of each shard that its client had seen when it began. */
interface Effect {
  readonly operation: Operation
  readonly causes: ReadonlyMap<string, number>
}

export class CausalCuts implements Checker {
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
    if (this.#ordinals.size < 2) return
    const areClocksSound = !cluster.trace.counts.has('fault: jump a clock')
    const effects = this.#effects(history.operations)
    for (const { client, resolved } of history.looks) {
      if ('wallMs' in resolved.moment && !areClocksSound) continue
      const moment = JSON.stringify(resolved.moment)
      cluster.trace.count('look back: causes checked')
      for (const { operation, causes } of effects) {
        const { shard, index } = operation.position!
        if (index > resolved.cuts[shard]!.index) continue
        for (const [other, seen] of causes) {
          const end = resolved.cuts[other]!.index
          const what = `what ${client} was shown at ${moment} holds ${nameOf(operation)}`
          check(seen <= end, `${what}, and of ${other} only ${end}: its client had seen ${seen} before`)
        }
      }
    }
  }

  /** Writes that are in the final log, with what led to them. */
  #effects(operations: readonly Operation[]): Effect[] {
    const steps = operations.flatMap(operation => [
      { at: operation.invokedAt, operation, isReturn: false },
      ...(operation.returnedAt === null ? [] : [{ at: operation.returnedAt, operation, isReturn: true }]),
    ])
    steps.sort((one, other) => one.at - other.at)
    const seenBy = new Map<string, Map<string, number>>()
    const effects: Effect[] = []
    for (const { operation, isReturn } of steps) {
      if (operation.outcome !== 'ok' || !this.#isFinal(operation)) continue
      const seen = seenBy.get(operation.client) ?? new Map<string, number>()
      seenBy.set(operation.client, seen)
      const { shard, index } = operation.position!
      if (isReturn) seen.set(shard, Math.max(index, seen.get(shard) ?? 0))
      else if (operation.type !== 'get') effects.push({ operation, causes: new Map(seen) })
    }
    return effects
  }

  #isFinal({ position }: Operation): boolean {
    if (position === null || position.index === 0) return false
    const entries = this.#committed.shards.get(this.#ordinals.get(position.shard)!)!.entries
    return entries[position.index]?.epoch === position.epoch
  }
}
