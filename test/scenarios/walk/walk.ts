/**
 * A random walk over everything that can happen to a shard. One seed decides the cluster, the mix of faults and every
 * step, so that a walk that fails can be taken again.
 */

import type { Membership } from '../../../src/replication/membership.js'
import { Random } from '../../../tools/random.js'
import { describeEnvelope } from '../harness/describe.js'
import { describeEvent, type Event } from '../harness/events.js'
import { ModelCluster } from '../harness/model-cluster.js'
import type { ModelNode } from '../harness/model-node.js'
import { type Message, open } from '../harness/network.js'
import { type Control, FreeControl, RealControl } from './control.js'
import { Judge } from './judge.js'

const STEPS = 500
/** Rounds of time in which a healed cluster must be whole again. */
const HEALING_ROUNDS_MAX = 2_000

export interface WalkResult {
  /** What went wrong, or undefined. */
  readonly failure: Error | undefined
  readonly trace: readonly string[]
  /** How often each kind of thing happened. */
  readonly counts: ReadonlyMap<string, number>
}

export type Mode = 'coordinator' | 'free'

class Walk {
  readonly #random: Random
  readonly #cluster: ModelCluster
  readonly #judge: Judge
  readonly #control: Control
  readonly #weights: Readonly<Record<string, number>>
  readonly trace: string[] = []
  readonly counts = new Map<string, number>()
  #violation: unknown
  #tickets = 0
  #writes = 0

  constructor(seed: number, mode: Mode) {
    const random = new Random(seed)
    this.#random = random
    const addresses = ['a', 'b', 'c', 'd', 'e'].slice(0, random.pick([1, 2, 3, 3, 3, 4, 5]))
    const topology = random.pick(['chain', 'star'] as const)
    const minInSync = Math.min(random.pick([1, 1, 2, 2, 3, 5]), addresses.length)
    this.trace.push(`${mode} ${seed}: ${topology} ${addresses.join(' ')}, minInSync ${minInSync}`)
    this.#judge = new Judge(() => this.#cluster)
    this.#cluster = new ModelCluster({
      addresses,
      topology,
      minInSync,
      onEvent: event => this.#onEvent(event),
    })
    const onStored = (membership: Membership) => this.#judge.onStored(membership)
    this.#control =
      mode === 'free' ? new FreeControl(this.#cluster, onStored) : new RealControl(this.#cluster, onStored)
    this.#weights = { ...faultMix(random), ...this.#control.weights(random) }
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) {
      this.#step()
      this.#judge.afterStep()
      this.#failIfViolated()
    }
    this.#heal()
    this.#useHealed()
    this.#failIfViolated()
    await this.#judge.atRest()
  }

  get #nodes(): ModelNode[] {
    return [...this.#cluster.nodes.values()]
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  #note(what: string): void {
    this.trace.push(what)
  }

  #onEvent(event: Event): void {
    this.#count(event.type)
    this.#note(`    ${describeEvent(event)}`)
    try {
      this.#judge.onEvent(event)
    } catch (error) {
      // An event comes from the middle of a process's step, which would take the error for its own.
      this.#violation ??= error
    }
  }

  #failIfViolated(): void {
    if (this.#violation !== undefined) throw this.#violation
  }

  #step(): void {
    const deliver = this.#weights.deliver! + this.#cluster.network.deliverable.length
    const action = this.#random.weighted({ ...this.#weights, deliver })
    this.#count(action)
    this.#act(action)
  }

  #act(action: string): void {
    const random = this.#random
    const { network } = this.#cluster
    switch (action) {
      case 'deliver':
        return this.#onMessage(action, message => network.deliver(network.link(message.from, message.to)[0]!))
      case 'overtake':
        return this.#onMessage(action, message => network.deliver(message))
      case 'drop':
        return this.#onMessage(action, message => network.drop(message))
      case 'duplicate':
        return this.#onMessage(action, message => network.duplicate(message))
      case 'breakLink':
        return this.#onMessage(action, ({ from, to }) => network.breakLink(from, to))
      case 'sync':
        return this.#onNode(action, node => node.sync())
      case 'tick':
        return this.#onNode(action, node => node.tick())
      case 'beat':
        return this.#onNode(action, node => node.beat())
      case 'write':
        return this.#onNode(action, node => this.#write(node))
      case 'read':
        return this.#onNode(action, node => this.#read(node))
      case 'crash':
        return this.#onNode(action, node => node.crash(random.below(node.store.unsyncedWrites + 1)))
      case 'burst':
        return this.#burst()
      case 'isolate':
        return this.#onNode(action, node => this.#isolate(node))
      case 'mend':
        return network.isolated.clear()
      case 'start':
        return this.#start()
      default:
        return this.#note(this.#control.act(action, random))
    }
  }

  #onMessage(action: string, act: (message: Message) => void): void {
    const { deliverable } = this.#cluster.network
    if (deliverable.length === 0) return
    const message = this.#random.pick(deliverable)
    this.#note(`${action} ${describeEnvelope(message.to, open(message))}`)
    act(message)
  }

  #onNode(action: string, act: (node: ModelNode) => void): void {
    const up = this.#nodes.filter(node => node.isUp)
    if (up.length === 0) return
    const node = this.#random.pick(up)
    this.#note(`${action} ${node.address}`)
    act(node)
  }

  /** For a while everything goes as it should: what takes many steps gets done, too. */
  #burst(): void {
    const { network } = this.#cluster
    for (let left = this.#random.below(60); left > 0; left -= 1) {
      const [oldest] = network.deliverable
      if (oldest === undefined || this.#random.chance(0.3)) this.#act('sync')
      else {
        this.#note(`deliver ${describeEnvelope(oldest.to, open(oldest))}`)
        network.deliver(oldest)
      }
    }
  }

  /** Cuts off this node, or, as often, whoever leads: a head that does not know that it is one no more. */
  #isolate(node: ModelNode): void {
    const { isolated } = this.#cluster.network
    if (isolated.size > 0 && !this.#random.chance(0.1)) return
    const head = this.#nodes.find(each => each.driver?.replica.isHead && each.driver.replica.isActive)
    const chosen = this.#random.chance(0.5) ? (head ?? node) : node
    this.#note(`    ${chosen.address} is cut off`)
    isolated.add(chosen.address)
  }

  #start(): void {
    const down = this.#nodes.filter(node => !node.isUp)
    if (down.length === 0) return
    const node = this.#random.pick(down)
    this.#note(`start ${node.address}`)
    node.start()
    node.beat()
  }

  /** One record of one to three entries, if this node takes any. */
  #write(node: ModelNode): void {
    const level = this.#random.pick(['strong', 'weak'] as const)
    const entries: [string, string][] = []
    for (let count = this.#random.below(3); count >= 0; count -= 1) {
      this.#writes += 1
      entries.push([this.#random.pick(['x', 'y', 'z']), `${this.#writes}`])
    }
    const refusal = node.write(entries, level)
    if (refusal !== undefined) this.#note(`    refused: ${refusal}`)
  }

  #read(node: ModelNode): number {
    this.#tickets += 1
    this.#judge.onReadBegun(this.#tickets)
    if (this.#judge.isOvertaken(node)) this.#count('read at a head that was overtaken')
    node.read(this.#tickets)
    return this.#tickets
  }

  /** All faults end; in bounded time the shard must be in office with one log everywhere. */
  #heal(): void {
    this.#note('-- healed')
    const cluster = this.#cluster
    cluster.network.isolated.clear()
    for (const node of this.#nodes) if (!node.isUp) node.start()
    for (let round = 0; round < HEALING_ROUNDS_MAX; round += 1) {
      this.#control.heal()
      cluster.tickAll()
      cluster.settle()
      this.#failIfViolated()
      if (this.#isWhole()) return
    }
    throw new Error('the healed cluster does not become whole')
  }

  #isWhole(): boolean {
    const whole = this.#control.wholeEpoch()
    return (
      whole !== undefined &&
      this.#nodes.every(({ driver, log }) => {
        const { epoch, isActive, commitIndex } = driver!.replica
        return epoch === whole && isActive && commitIndex === log.lastIndex
      })
    )
  }

  /** A strong write and a strong read at every replica must work now. */
  #useHealed(): void {
    const head = this.#nodes.find(({ driver }) => driver!.replica.isHead)!
    const refusal = head.write([['last', 'write']], 'strong')
    if (refusal !== undefined) throw new Error(`the healed cluster refuses a strong write: ${refusal}`)
    this.#cluster.settle()
    if (this.#judge.committedIndex !== head.log.lastIndex) throw new Error('the last write is not committed')
    const tickets = this.#nodes.map(node => this.#read(node))
    // A question that was lost before the healing is asked again only after some time.
    for (let round = 0; round < HEALING_ROUNDS_MAX && this.#judge.awaits(tickets); round += 1) {
      this.#cluster.tickAll()
      this.#cluster.settle()
    }
    if (this.#judge.awaits(tickets)) throw new Error('the healed cluster does not answer every strong read')
  }
}

/** Each walk has its own mix: some lose messages all the time, some crash, some do neither. */
function faultMix(random: Random): Record<string, number> {
  const sometimes = (weight: number) => (random.chance(0.5) ? random.next() * weight : 0)
  return {
    deliver: 20,
    overtake: sometimes(4),
    drop: sometimes(6),
    duplicate: sometimes(6),
    breakLink: sometimes(1),
    isolate: sometimes(2),
    mend: 0.1 + random.next() * 0.5,
    burst: random.next() * 3,
    sync: 4 + random.next() * 12,
    tick: 8,
    beat: 5,
    write: 3 + random.next() * 10,
    read: 1 + random.next() * 5,
    crash: sometimes(2),
    start: 3,
  }
}

export async function walk(seed: number, mode: Mode): Promise<WalkResult> {
  const taken = new Walk(seed, mode)
  try {
    await taken.run()
    return { failure: undefined, trace: taken.trace, counts: taken.counts }
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error))
    return { failure, trace: taken.trace, counts: taken.counts }
  }
}
