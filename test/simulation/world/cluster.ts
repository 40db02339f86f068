/** All processes of one simulation, and what they run on. */
import { Random } from '../../../tools/random.js'
import { becomes, COORDINATOR, type Shape } from '../shape.js'
import { Services } from './calls.js'
import type { ClientProcess } from './client-process.js'
import { CoordinatorProcess } from './coordinator-process.js'
import { MembershipDisk } from './membership-disk.js'
import { Network } from './network.js'
import { NodeProcess } from './node-process.js'
import type { SimProcess, World } from './process.js'
import type { Schedule } from './schedule.js'
import type { Trace } from './trace.js'
import { FAIR } from './weather.js'

export class Cluster {
  readonly shape: Shape
  readonly schedule: Schedule
  readonly trace: Trace
  readonly network: Network
  readonly services: Services
  readonly world: World
  readonly nodes = new Map<string, NodeProcess>()
  readonly clients: ClientProcess[] = []
  readonly membership: MembershipDisk
  coordinator: CoordinatorProcess
  /** Coordinators whose place another one took while they were alive. */
  readonly superseded: CoordinatorProcess[] = []

  constructor(
    seed: number,
    shape: Shape,
    schedule: Schedule,
    trace: Trace,
    violation: (what: string) => void,
  ) {
    this.shape = shape
    this.schedule = schedule
    this.trace = trace
    this.network = new Network(schedule, new Random(seed, 'network'), trace, { ...FAIR })
    this.services = new Services(schedule, this.network, trace, new Random(seed, 'calls'))
    this.world = { schedule, network: this.network, trace, random: new Random(seed, 'world'), violation }
    this.membership = new MembershipDisk(this.world)
    this.coordinator = this.newCoordinator()
    for (const address of shape.nodes) this.nodes.set(address, this.#newNode(address))
  }

  /** All that can be killed, paused and cut off, but for the clients. */
  get servers(): SimProcess[] {
    return [...this.nodes.values(), this.coordinator]
  }

  /** A coordinator over the same store; the one that is at work is not asked. */
  newCoordinator(): CoordinatorProcess {
    const { shards, defaultConsistency } = this.shape
    const settings = { shards, defaultConsistency }
    const made = new CoordinatorProcess(COORDINATOR, this.world, this.services, this.membership, settings)
    this.membership.crash = () => this.coordinator.kill()
    return made
  }

  freeBytes(dir: string): number {
    const address = dir.replace('sim:', '')
    return this.nodes.get(address)?.disk.freeBytes ?? Number.MAX_SAFE_INTEGER
  }

  /** Address of the shard's head as the coordinator's store has it. */
  headOf(ordinal: number): string | undefined {
    return this.membership.read(ordinal)?.membership.current?.head
  }

  /** True while every shard is in office with all the members that it wants, each with all that was committed. */
  isWhole(): boolean {
    const map = this.coordinator.node?.shardMap()
    if (map === undefined) return false
    return map.shards.every(({ ordinal, epoch, status, members, wanted }) => {
      const stored = this.membership.read(ordinal)?.membership.current
      const most = Math.min(wanted, this.nodes.size)
      if (status !== 'ACTIVE' || members.length < most || stored?.epoch !== epoch) return false
      return stored.members.every(({ address, incarnation }) => {
        const node = this.nodes.get(address)!
        const replica = node.node?.shard(ordinal)?.status()
        return node.incarnation === incarnation && replica?.epoch === epoch && replica.commitIndex > 0
      })
    })
  }

  /** Nothing gets from one of these to the other, either way. */
  cutBothWays(one: string, other: string, how: 'lose' | 'hold'): void {
    this.cut(one, other, how)
    this.cut(other, one, how)
  }

  cut(from: string, to: string, how: 'lose' | 'hold'): void {
    if (from === to) return
    this.network.cut(from, to, how)
    this.services.cutBetween(from, to)
  }

  /** Every address that there is: nodes, the coordinator, clients. */
  get addresses(): string[] {
    return [...this.nodes.keys(), COORDINATOR, ...this.clients.map(({ address }) => address)]
  }

  /** No process is hampered any more; those that are down start again. */
  heal(): void {
    becomes(this.network.weather)
    this.membership.crashAtWrite = 0
    this.network.mend()
    for (const node of this.nodes.values()) {
      node.clock.aheadMs = 0
      node.disk.isFull = false
      node.resume()
      node.start()
    }
    this.coordinator.clock.aheadMs = 0
    this.#leaveOneCoordinator()
    this.coordinator.resume()
    this.coordinator.start()
    for (const client of this.clients) {
      client.resume()
      client.start()
    }
  }

  /**
   * Only the store's lock, which does not exist here, makes a coordinator the only one: one that was overtaken learns of
   * it when it next writes. It need not, as it cannot happen to the real one; so healing begins with one that just read.
   */
  #leaveOneCoordinator(): void {
    if (this.superseded.length === 0) return
    for (const old of this.superseded) old.kill()
    this.coordinator.kill()
  }

  /** Whoever left may come back: without that, a shard would want more members than there are nodes. */
  welcomeAll(): void {
    const admin = this.coordinator.node?.admin
    for (const { ordinal } of this.shape.shards) {
      const left = this.membership.read(ordinal)?.membership.left ?? []
      for (const address of left) {
        const isKnown = admin?.listNodes().nodes.some(node => node.address === address)
        if (isKnown) admin?.join({ address, shard: '' })
      }
    }
  }

  #newNode(address: string): NodeProcess {
    const { shards } = this.shape
    return new NodeProcess(address, this.world, this.services, {
      coordinator: COORDINATOR,
      shards: shards.map(({ ordinal, name }) => ({ ordinal, name })),
      hosted: shards.filter(({ replicas }) => replicas.includes(address)).map(({ ordinal }) => ordinal),
    })
  }
}
