/** Makes things go wrong, one after another, as the seed's mix has it. Every fault ends by itself after a while. */
import { VarveError } from '../../../src/client/errors.js'
import type { ClusterAdmin } from '../../../src/node/cluster-admin.js'
import { isActive } from '../../../src/replication/configuration.js'
import type { Membership } from '../../../src/replication/membership.js'
import type { Random } from '../../../tools/random.js'
import { becomes, weatherOf } from '../shape.js'
import type { Cluster } from '../world/cluster.js'
import type { NodeProcess } from '../world/node-process.js'
import type { SimProcess } from '../world/process.js'
import { trim } from '../world/trim.js'
import type { FaultName } from './names.js'

export class FaultMaker {
  readonly #cluster: Cluster
  readonly #random: Random
  /** Before it begins nothing goes wrong, either. */
  #isOver = true
  /** Nodes whose disk was lost and whose place is not taken yet by a member that has it all. */
  readonly #lossy = new Set<NodeProcess>()

  constructor(cluster: Cluster, random: Random) {
    this.#cluster = cluster
    this.#random = random
  }

  /** Begins; ends with `stop`. */
  start(): void {
    const { shape, network, membership } = this.#cluster
    this.#isOver = false
    becomes(network.weather, shape.weather)
    membership.crashAtWrite = shape.crashAtWrite
    membership.crash = () => this.#crashCoordinator()
    this.#next()
  }

  stop(): void {
    this.#isOver = true
  }

  #next(): void {
    const { shape } = this.#cluster
    const pauseMs = -Math.log(1 - this.#random.next()) * shape.faultEveryMs
    this.#later(pauseMs, () => {
      if (Object.values(shape.faults).some(weight => weight > 0))
        this.#make(this.#random.weighted(shape.faults))
      this.#next()
    })
  }

  /** Does something after a while, unless the storm is over by then. */
  #later(ms: number, action: () => void): void {
    this.#cluster.schedule.after(undefined, ms, () => {
      if (!this.#isOver) action()
    })
  }

  #make(fault: FaultName): void {
    const detail = this.#carryOut(fault)
    if (detail === undefined) return
    this.#cluster.trace.note(`fault: ${fault}: ${detail}`)
    this.#cluster.trace.count(`fault: ${fault}`)
  }

  /** What it did, in words; undefined where there was nothing to do. */
  #carryOut(fault: FaultName): string | undefined {
    const random = this.#random
    switch (fault) {
      case 'crash a node':
        return this.#crash([this.#upNode()], 3_000)
      case 'crash the head':
        return this.#crash([this.#head()], 3_000)
      case 'crash several nodes':
        return this.#crash(random.shuffled(this.#upNodes()).slice(0, 2 + random.below(4)), 4_000)
      case 'restart at once':
        return this.#crash([this.#random.chance(0.5) ? this.#head() : this.#upNode()], 40, 0)
      case 'end a node in order':
        return this.#endInOrder()
      case 'stop a node for long':
        return this.#crash([this.#upNode()], 15_000)
      case 'pause a node':
        return this.#pause(this.#upNode(), 4_000)
      case 'pause the head':
        return this.#pause(this.#head(), 4_000)
      case 'pause the coordinator':
        return this.#pause(this.#cluster.coordinator, 4_000)
      case 'pause a client':
        return this.#pause(this.#client(), 3_000)
      case 'isolate a node':
        return this.#isolate(this.#upNode()?.address)
      case 'isolate the head':
        // Long enough for another head to be there, and to have written.
        return this.#isolate(this.#head()?.address, 1_500)
      case 'isolate the coordinator':
        return this.#isolate(this.#cluster.coordinator.address)
      case 'cut one way':
        return this.#cutOneWay()
      case 'split':
        return this.#split()
      case 'crash the coordinator':
        return this.#cluster.coordinator.isUp ? this.#crashCoordinator() : undefined
      case 'second coordinator':
        return this.#secondCoordinator()
      case 'storm':
        return this.#storm()
      case 'fill a disk':
        return this.#fill([this.#upNode()])
      case 'fill several disks':
        return this.#fill(random.shuffled(this.#upNodes()).slice(0, 2 + random.below(4)))
      case 'fail a sync':
        return this.#failSync()
      case 'flip a bit':
      case 'wipe a disk':
        return this.#loseDisk(fault)
      case 'jump a clock':
        return this.#jump()
      case 'crash a client':
        return this.#crash([this.#client()], 1_000)
      case 'a node leaves':
        return this.#leave()
      case 'a node joins':
        return this.#join()
      case 'trim a log':
        return this.#trim()
    }
  }

  // -- who

  #upNodes(): NodeProcess[] {
    return [...this.#cluster.nodes.values()].filter(node => node.isUp)
  }

  #upNode(): NodeProcess | undefined {
    const up = this.#upNodes()
    return up.length === 0 ? undefined : this.#random.pick(up)
  }

  #head(): NodeProcess | undefined {
    const { shards } = this.#cluster.shape
    const head = this.#cluster.headOf(this.#random.pick(shards).ordinal)
    const node = head === undefined ? undefined : this.#cluster.nodes.get(head)
    return node?.isUp ? node : undefined
  }

  #client(): SimProcess | undefined {
    const up = this.#cluster.clients.filter(({ isUp }) => isUp)
    return up.length === 0 ? undefined : this.#random.pick(up)
  }

  /** A duration: mostly short, sometimes up to `mostMs`. */
  #while(mostMs: number, leastMs = 20): number {
    const share = this.#random.next()
    return leastMs + share * share * mostMs
  }

  // -- what

  #crash(given: readonly (SimProcess | undefined)[], mostMs: number, leastMs = 20): string | undefined {
    const processes = given.filter(process => process !== undefined)
    if (processes.length === 0) return undefined
    for (const process of processes) {
      process.kill()
      this.#later(this.#while(mostMs, leastMs), () => process.start())
    }
    return processes.map(({ address }) => address).join(' ')
  }

  #endInOrder(): string | undefined {
    const node = this.#upNode()
    if (node === undefined || node.isPaused) return undefined
    node.endInOrder(this.#while(3_000))
    return node.address
  }

  #crashCoordinator(): string {
    const { coordinator } = this.#cluster
    coordinator.kill()
    this.#later(this.#while(4_000), () => coordinator.start())
    return coordinator.address
  }

  #pause(process: SimProcess | undefined, mostMs: number): string | undefined {
    if (process === undefined || !process.isUp || process.isPaused) return undefined
    process.pause()
    const ms = this.#while(mostMs)
    this.#later(ms, () => process.resume())
    return `${process.address} for ${Math.round(ms)} ms`
  }

  #isolate(address: string | undefined, leastMs = 20): string | undefined {
    if (address === undefined) return undefined
    const { random, how } = this.#howToCut()
    const clients = this.#cluster.clients.map(({ address }) => address)
    // Clients may still reach it: a head that is cut off from its peers alone is the more dangerous one, and most of
    // all with a client that hears of nothing else.
    const company = random.pick([[], clients, [random.pick(clients)]])
    for (const other of this.#cluster.addresses) {
      if (!company.includes(other)) this.#cluster.cutBothWays(address, other, how)
    }
    const isAlone = company.length === 1
    for (const client of isAlone ? company : []) {
      for (const other of this.#cluster.addresses) {
        if (other !== address) this.#cluster.cutBothWays(client, other, how)
      }
    }
    const kept = company.length === 0 ? '' : `, but for ${company.join(' ')}`
    return `${address}${kept} (${this.#mendLater(leastMs)})`
  }

  #cutOneWay(): string | undefined {
    const { random, how } = this.#howToCut()
    const [from, to] = random.shuffled(this.#cluster.addresses)
    if (from === undefined || to === undefined) return undefined
    this.#cluster.cut(from, to, how)
    return `${from} to ${to} (${this.#mendLater()})`
  }

  #split(): string {
    const { random, how } = this.#howToCut()
    const all = random.shuffled(this.#cluster.addresses)
    const at = 1 + random.below(all.length - 1)
    for (const one of all.slice(0, at)) {
      for (const other of all.slice(at)) this.#cluster.cutBothWays(one, other, how)
    }
    return `${all.slice(0, at).join(' ')} from the others (${this.#mendLater()})`
  }

  #howToCut(): { random: Random; how: 'lose' | 'hold' } {
    return { random: this.#random, how: this.#random.pick(['lose', 'hold']) }
  }

  #mendLater(leastMs = 20): string {
    const ms = this.#while(8_000, leastMs)
    this.#later(ms, () => {
      this.#cluster.trace.note('all links are mended')
      this.#cluster.network.mend()
    })
    return `${Math.round(ms)} ms`
  }

  /** Somebody starts a coordinator while the old one only sleeps. */
  #secondCoordinator(): string | undefined {
    const cluster = this.#cluster
    const old = cluster.coordinator
    if (!old.isUp || old.isPaused) return undefined
    old.pause()
    cluster.coordinator = cluster.newCoordinator()
    cluster.membership.crash = () => this.#crashCoordinator()
    cluster.coordinator.start()
    // It keeps its memory and what it was about to write, but not its address.
    old.supersede()
    cluster.superseded.push(old)
    this.#later(this.#while(3_000), () => old.resume())
    cluster.schedule.after(undefined, 5_000, () => old.kill())
    return 'the old one sleeps'
  }

  #storm(): string {
    const { network, shape } = this.#cluster
    becomes(network.weather, weatherOf(this.#random, 0.7))
    const ms = this.#while(5_000)
    this.#later(ms, () => becomes(network.weather, shape.weather))
    return `${Math.round(ms)} ms`
  }

  #fill(given: readonly (NodeProcess | undefined)[]): string | undefined {
    const nodes = given.filter(node => node !== undefined)
    if (nodes.length === 0) return undefined
    for (const { disk } of nodes) {
      disk.isFull = true
      this.#later(this.#while(6_000), () => {
        disk.isFull = false
      })
    }
    return nodes.map(({ address }) => address).join(' ')
  }

  #failSync(): string | undefined {
    const node = this.#upNode()
    if (node === undefined || node.isPaused) return undefined
    node.run(() => node.disk.failSync())
    return node.address
  }

  /** Only where nothing that was promised hangs on this disk alone. */
  #loseDisk(fault: 'flip a bit' | 'wipe a disk'): string | undefined {
    const cluster = this.#cluster
    for (const node of [...this.#lossy]) if (cluster.isWhole()) this.#lossy.delete(node)
    const node = this.#upNode()
    if (node === undefined || this.#lossy.size > 0 || !cluster.isWhole()) return undefined
    if (cluster.shape.shards.some(({ replicas }) => replicas.length === 1)) return undefined
    node.kill()
    this.#lossy.add(node)
    // After the crash itself, which is an event of its own.
    cluster.schedule.after(undefined, 1, () => {
      if (node.isUp) return
      if (fault === 'wipe a disk') node.disk.replace()
      else node.disk.flipBit(this.#random.pick(cluster.shape.shards).ordinal)
    })
    this.#later(this.#while(3_000) + 5, () => node.start())
    return node.address
  }

  /** A change is under way: one of those that take part dies in the middle of it. */
  onStored(membership: Membership): void {
    const { current, reservedEpoch } = membership
    const isUnderWay = current === null || reservedEpoch > current.epoch || !isActive(current)
    if (this.#isOver || !isUnderWay || !this.#random.chance(this.#cluster.shape.crashAtChange)) return
    this.#later(this.#random.next() * 15, () => {
      const node = this.#random.chance(0.5) ? this.#head() : this.#upNode()
      const address = this.#crash([node], this.#random.pick([30, 30, 2_000]), 1)
      if (address === undefined) return
      this.#cluster.trace.note(`fault: crash during a change: ${address}`)
      this.#cluster.trace.count('fault: crash during a change')
    })
  }

  #leave(): string | undefined {
    const node = this.#upNode()
    const force = this.#random.chance(0.2)
    return this.#asOperator(admin => {
      if (node === undefined) return undefined
      admin.leave({ address: node.address, shard: '', force })
      return node.address
    })
  }

  #join(): string | undefined {
    const node = this.#upNode()
    const { name } = this.#random.pick(this.#cluster.shape.shards)
    const shard = this.#random.chance(0.6) ? '' : name
    return this.#asOperator(admin => {
      if (node === undefined) return undefined
      admin.join({ address: node.address, shard })
      return `${node.address}${shard === '' ? '' : ` in ${shard}`}`
    })
  }

  #trim(): string | undefined {
    const node = this.#upNode()
    const { ordinal } = this.#random.pick(this.#cluster.shape.shards)
    const share = this.#random.next()
    if (node?.node === undefined || node.isPaused || !trim(node, ordinal, share)) return undefined
    return `${node.address}, shard ${ordinal}`
  }

  /** What a rule forbids is no fault. */
  #asOperator(wish: (admin: ClusterAdmin) => string | undefined): string | undefined {
    const { coordinator } = this.#cluster
    const admin = coordinator.node?.admin
    if (admin === undefined || coordinator.isPaused) return undefined
    try {
      return wish(admin)
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      this.#cluster.trace.count('transition: a wish of an operator is refused')
      return undefined
    }
  }

  #jump(): string | undefined {
    const process = this.#random.pick(this.#cluster.servers)
    const size = this.#random.pick([50, 400, 3_000, 600_000])
    process.clock.aheadMs += Math.round(this.#random.between(-size, size))
    return `${process.address} is ${process.clock.aheadMs} ms ahead`
  }
}
