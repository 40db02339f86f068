/** No two processes are in office as heads of one epoch. */
import { type Checker, check, type ReplicaView } from './checker.js'

export class OneHead implements Checker {
  readonly #heads = new Map<string, string>()

  onReplica({ node, ordinal, epoch, role, isActive, life }: ReplicaView): void {
    if (role !== 'head' || !isActive) return
    const epochName = `${ordinal}/${epoch}`
    const other = this.#heads.get(epochName) ?? life
    check(other === life, `${life} and ${other} both lead epoch ${epoch} of shard ${ordinal}`)
    this.#heads.set(epochName, `${node.life?.name ?? life}`)
  }
}
