/** Looks at the replicas after every event of their process and tells the checkers what changed. */
import type { ReplicaHost } from '../../src/node/shard-host.js'
import type { Checker, ReplicaView } from './checkers/checker.js'
import type { Cluster } from './world/cluster.js'
import type { NodeProcess } from './world/node-process.js'

export class Observer {
  readonly #cluster: Cluster
  readonly #checkers: readonly Checker[]
  readonly #views = new Map<string, ReplicaView>()

  constructor(cluster: Cluster, checkers: readonly Checker[]) {
    this.#cluster = cluster
    this.#checkers = checkers
  }

  /** After an event: looks at the process that it belonged to. */
  look(): void {
    const life = this.#cluster.schedule.current
    if (life === undefined || life.isDead) return
    const address = life.name.slice(0, life.name.indexOf('#'))
    const node = this.#cluster.nodes.get(address)
    if (node?.node === undefined || node.life !== life) return
    for (const { ordinal } of this.#cluster.shape.shards) this.#lookAt(node, ordinal, life.name)
  }

  #lookAt(node: NodeProcess, ordinal: number, life: string): void {
    const host = node.node!.shard(ordinal) as ReplicaHost | undefined
    if (host === undefined) return
    const name = `${node.address}/${ordinal}`
    const before = this.#views.get(name)
    const { epoch, active, commitIndex, lastIndex, learner } = host.heartbeat()
    const isSame =
      before?.life === life &&
      before.epoch === epoch &&
      before.isActive === active &&
      before.commitIndex === commitIndex &&
      before.lastIndex === lastIndex &&
      before.isLearner === learner
    if (isSame) return
    const { role, appliedIndex } = host.status()
    const view: ReplicaView = {
      node,
      ordinal,
      life,
      epoch,
      isActive: active,
      isLearner: learner,
      commitIndex,
      appliedIndex,
      lastIndex,
      role,
      log: node.disk.log(ordinal),
    }
    this.#views.set(name, view)
    this.#count(view, before)
    for (const checker of this.#checkers) checker.onReplica?.(view, before)
  }

  #count(view: ReplicaView, before: ReplicaView | undefined): void {
    const { trace } = this.#cluster
    const { node, ordinal, epoch, role, isActive, isLearner, lastIndex, commitIndex } = view
    const isSameLife = before?.life === view.life
    if (isSameLife && lastIndex < before.lastIndex) trace.count('transition: a log is cut')
    if (isSameLife && commitIndex > before.commitIndex && role !== 'head') {
      trace.count('transition: a follower hears of a commit')
    }
    const isNews =
      !isSameLife || epoch !== before.epoch || role !== before.role || isActive !== before.isActive
    if (!isNews && before?.isLearner === isLearner) return
    const standing = isLearner ? 'learner' : `${role}${isActive ? ', in office' : ''}`
    trace.count(`transition: ${standing}`)
    trace.note(
      `${node.address}: shard ${ordinal}: epoch ${epoch}, ${standing}, last ${lastIndex}, commit ${commitIndex}`,
    )
  }
}
