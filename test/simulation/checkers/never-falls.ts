/** Commit, applied and epoch never fall: commit in one life of a process, the adopted epoch on one disk. */
import { type Checker, check, type ReplicaView } from './checker.js'

export class NeverFalls implements Checker {
  /** The highest epoch that each disk was seen to have adopted durably. */
  readonly #epochs = new Map<string, number>()

  onReplica(view: ReplicaView, before: ReplicaView | undefined): void {
    const { node, ordinal, commitIndex, appliedIndex, epoch, log } = view
    const name = `${node.address}, shard ${ordinal}`
    check(appliedIndex >= commitIndex, `${name}: committed ${commitIndex}, applied ${appliedIndex}`)
    const disk = `${name}, disk ${node.disk.generation}`
    const durable = log.durableEpoch
    check(durable >= (this.#epochs.get(disk) ?? 0), `${name}: forgot that it adopted an epoch`)
    this.#epochs.set(disk, durable)
    check(epoch >= durable, `${name}: is in epoch ${epoch}, its disk in ${durable}`)
    if (before?.life !== view.life) return
    check(
      commitIndex >= before.commitIndex,
      `${name}: commit fell from ${before.commitIndex} to ${commitIndex}`,
    )
    check(epoch >= before.epoch, `${name}: the epoch fell from ${before.epoch} to ${epoch}`)
  }
}
