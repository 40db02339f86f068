/**
 * Plays a timeline through on paper before anything is started: who is killed must be there, who is started must be
 * down. Roles are followed as the coordinator would give them, so that `kill MIDDLE` of a chain of two is refused. Pure.
 */

import { badUsage } from '../../exit-codes.js'
import type { Fault, FaultTarget } from './fault.js'

/** The cluster as a timeline finds it. */
export interface TimelineShape {
  readonly topology: 'chain' | 'star'
  readonly coordinator: string
  /** In the order of their numbers: the first one is n1. */
  readonly nodes: readonly string[]
  /** Addresses of each shard's replicas in the tree's order. */
  readonly shards: Readonly<Record<string, readonly string[]>>
  /** Whether what dies is started again by itself. */
  readonly restarts: boolean
  /** How long the load lasts; undefined where that is not known beforehand. */
  readonly loadMs: number | undefined
}

/** Throws a bad-usage error that names the first fault that cannot happen, and why. */
export function checkTimeline(faults: readonly Fault[], shape: TimelineShape, where: string): void {
  const model = new TimelineModel(shape)
  let before = 0
  faults.forEach((fault, at) => {
    const place = `${where}: faults[${at}]`
    if (fault.atMs < before) {
      throw badUsage(
        `${place}: at ${fault.atMs} ms, after one at ${before} ms: expected them in the order of time`,
      )
    }
    before = fault.atMs
    if (shape.loadMs !== undefined && fault.atMs > shape.loadMs) {
      throw badUsage(`${place}: at ${fault.atMs} ms, but the load ends after ${shape.loadMs} ms`)
    }
    const problem = model.apply(fault)
    if (problem !== undefined) {
      throw badUsage(`${place}: ${fault.action} ${fault.targetText} at ${fault.atMs} ms: ${problem}`)
    }
  })
}

type State = 'up' | 'down' | 'paused'

class TimelineModel {
  readonly #shape: TimelineShape
  readonly #members: Map<string, string[]>
  readonly #states = new Map<string, State>()
  readonly #left = new Set<string>()
  readonly #last = new Map<'down' | 'paused' | 'left', string>()

  constructor(shape: TimelineShape) {
    this.#shape = shape
    this.#members = new Map(Object.entries(shape.shards).map(([name, replicas]) => [name, [...replicas]]))
  }

  /** What is wrong with the fault; undefined where it can happen, and has. */
  apply(fault: Fault): string | undefined {
    if (fault.shard !== undefined && !this.#members.has(fault.shard)) {
      return `there is no shard "${fault.shard}", the cluster has ${[...this.#members.keys()].join(', ')}`
    }
    if (fault.target.kind === 'all') return this.#startAll()
    const found = this.#find(fault)
    return 'problem' in found ? found.problem : this.#act(fault, found.address)
  }

  #find(fault: Fault): { readonly address: string } | { readonly problem: string } {
    const { target } = fault
    switch (target.kind) {
      case 'coordinator':
        return { address: this.#shape.coordinator }
      case 'role':
        return this.#withRole(fault, target.role)
      case 'last': {
        const wanted = { start: 'down', resume: 'paused', join: 'left' }[
          fault.action as 'start' | 'resume' | 'join'
        ]
        const address = this.#last.get(wanted as 'down')
        return address === undefined ? { problem: `nobody is ${wanted} then` } : { address }
      }
      default:
        return this.#named(target)
    }
  }

  #named(target: Extract<FaultTarget, { kind: 'address' | 'number' | 'all' }>) {
    const { nodes } = this.#shape
    const address =
      target.kind === 'number' ? nodes[target.number - 1] : target.kind === 'address' ? target.address : ''
    if (address !== undefined && nodes.includes(address)) return { address }
    return {
      problem: `there is no such node, the cluster has n1 (${nodes[0]}) to n${nodes.length} (${nodes.at(-1)})`,
    }
  }

  #withRole(fault: Fault, role: string): { readonly address: string } | { readonly problem: string } {
    const shard = fault.shard ?? [...this.#members.keys()][0]!
    const members = this.#members.get(shard)!
    const isStar = this.#shape.topology === 'star'
    const places: Record<string, string | undefined> = isStar
      ? { HEAD: members[0], LEAF: members[1] }
      : { HEAD: members[0], MIDDLE: members.length > 2 ? members[1] : undefined, TAIL: members.at(-1) }
    const address = places[role]
    if (address !== undefined) return { address }
    const kind = isStar ? 'star' : 'chain'
    return { problem: `${shard} is a ${kind} of ${members.length} then and has no ${role}` }
  }

  #act({ action }: Fault, address: string): string | undefined {
    const state = this.#states.get(address) ?? 'up'
    const isNode = address !== this.#shape.coordinator
    if (action === 'start') {
      if (this.#shape.restarts) return 'what dies is started again by itself (cluster.restart)'
      if (state !== 'down') return `${address} runs then`
      this.#setUp(address)
    } else if (action === 'resume') {
      if (state !== 'paused') return `${address} is not paused then`
      this.#setUp(address)
    } else if (action === 'join') {
      if (!this.#left.delete(address)) return `${address} has not left`
      if (state === 'down') return `${address} does not run then`
      this.#comeBack(address)
    } else {
      if (state === 'down') return `${address} is down then`
      if (action === 'leave') return this.#leave(address, state)
      if (state === 'paused' && action !== 'kill') return `${address} is paused then`
      this.#states.set(address, action === 'pause' ? 'paused' : 'down')
      this.#last.set(action === 'pause' ? 'paused' : 'down', address)
      if (isNode) this.#goAway(address)
      if (this.#shape.restarts && action !== 'pause') this.#setUp(address)
    }
    return undefined
  }

  #startAll(): string | undefined {
    const down = [...this.#states].filter(([, state]) => state === 'down').map(([address]) => address)
    if (down.length === 0) return 'nobody is down then'
    for (const address of down) this.#setUp(address)
    return undefined
  }

  #leave(address: string, state: State): string | undefined {
    if (state === 'paused') return `${address} is paused then`
    if (this.#left.has(address)) return `${address} has left already`
    const alone = [...this.#members].find(([, members]) => members.length === 1 && members[0] === address)
    if (alone !== undefined)
      return `${address} is the last member of ${alone[0]} then: the last one cannot leave`
    this.#left.add(address)
    this.#last.set('left', address)
    this.#goAway(address)
    return undefined
  }

  #setUp(address: string): void {
    this.#states.set(address, 'up')
    if (!this.#left.has(address)) this.#comeBack(address)
  }

  /** The last member stays one: nobody is left to take it out. */
  #goAway(address: string): void {
    for (const [shard, members] of this.#members) {
      if (members.length > 1)
        this.#members.set(
          shard,
          members.filter(each => each !== address),
        )
    }
  }

  /** Who comes back does so at the end of the chain. */
  #comeBack(address: string): void {
    for (const [shard, replicas] of Object.entries(this.#shape.shards)) {
      const members = this.#members.get(shard)!
      if (replicas.includes(address) && !members.includes(address)) members.push(address)
    }
  }
}
