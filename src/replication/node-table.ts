/**
 * Who is there: the coordinator's knowledge of processes, by address. Pure: times are handed in. Nothing's safety hangs
 * on it (I2 to I6 hold whoever is taken for dead); it only decides when a change is begun.
 *
 * A process is alive while it is heard of; it is gone after a silence of `heartbeatTimeoutMs`, or sooner when it is
 * refused a connection and silent, or said goodbye. Only a process that really answers at its address is taken in.
 */
import type { ReplicaSummary } from '../generated/varve/v1/replication.js'
import { medianOf } from './median.js'

/** A process that is silent for so long and refuses connections is gone: more than one heartbeat is missing. */
export const REFUSED_SILENCE_MS = 150

/** A coordinator that has just started waits so long for nodes to find it: their links pause up to a second between tries. */
export const START_GRACE_MS = 3_000

/** How far a node's clock may be ahead of its peers' before it is not made head (Time). */
export const CLOCK_AHEAD_MS_MAX = 500

/** Heartbeats in a row with a clock too far ahead before that counts. */
const CLOCK_BEATS = 5

/** A clock is told by the promptest of so many heartbeats: a late one looks like a clock that is behind. */
const CLOCK_SAMPLES = 20

/** A node that is known, and whose clock is as it was, hears so again after so long, ms. */
const KNOWN_REPEAT_MS = 1_000

/** Earlier lives remembered at each address: what they still say is not listened to. */
const PAST_LIVES_MAX = 64

export type NodeState = 'alive' | 'gone' | 'unknown'

/** One process. */
export interface KnownNode {
  readonly address: string
  readonly incarnation: number
  readonly version: string
  /** What its replicas held when it registered, by shard. */
  readonly replicas: ReadonlyMap<number, ReplicaSummary>
  lastHeardMs: number
  /** It said that it ends. */
  hasLeft: boolean
  /** A link to it broke; connections refused since then. */
  suspectedAtMs: number | undefined
  refusals: number
  /** Its wall clock minus the coordinator's monotonic one, as its last heartbeats said. */
  readonly clockSamplesMs: number[]
  /** By the heartbeat that was the least under way: the greatest of the samples; undefined before the first. */
  clockMs: number | undefined
  beatsAhead: number
  /** When it was last told that it is known, and by how much its clock is ahead; undefined before it was told. */
  told: { readonly atMs: number; readonly clockAheadMs: number } | undefined
  /** The shard map that was last sent to it. */
  mapSent: { readonly atMs: number; readonly revision: number } | undefined
}

export class NodeTable {
  readonly #heartbeatTimeoutMs: number
  readonly #nodes = new Map<string, KnownNode>()
  readonly #pastLives = new Map<string, number[]>()
  /** Processes that claim an address and do not answer there. */
  readonly #claims = new Map<string, { readonly incarnation: number; readonly atMs: number }>()
  #startedMs: number | undefined
  #lastTickMs: number | undefined
  #nowMs = 0
  /** The coordinator's own clock, as the nodes'. */
  #ownClockMs: number | undefined
  /**
   * The median of all clocks, until one of them changes or a tick passes: every heartbeat asks for it, and with many
   * nodes to sort them each time was a third of the coordinator's work.
   */
  #medianClockMs: number | undefined

  constructor(heartbeatTimeoutMs: number) {
    this.#heartbeatTimeoutMs = heartbeatTimeoutMs
  }

  /** Time passes. After a pause of this process itself the silence of the others proves nothing. */
  tick(nowMs: number, wallMs: number | undefined): void {
    const pauseMs =
      this.#lastTickMs === undefined ? 0 : nowMs - this.#lastTickMs - this.#heartbeatTimeoutMs / 2
    if (pauseMs > 0) for (const node of this.#nodes.values()) node.lastHeardMs += nowMs - this.#lastTickMs!
    this.#lastTickMs = nowMs
    this.at(nowMs)
    this.#medianClockMs = undefined
    if (wallMs !== undefined) this.#ownClockMs = wallMs - nowMs
  }

  /** It is now so late, monotonic ms. */
  at(nowMs: number): void {
    this.#startedMs ??= nowMs
    this.#nowMs = nowMs
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /**
   * A process registers, and has confirmed that the coordinator's answer reached it. False, and not taken in, where another
   * one that came after it is alive. A message that was long under way may have displaced the living one: that is let
   * in again as soon as the dead one's silence is noticed.
   */
  register(
    address: string,
    incarnation: number,
    register: { replicas: ReplicaSummary[]; version: string },
  ): boolean {
    const before = this.#nodes.get(address)
    const isPast = this.#pastLives.get(address)?.includes(incarnation) ?? false
    if (isPast && before !== undefined && this.#stateOf(before) === 'alive') return false
    if (before !== undefined && before.incarnation !== incarnation) this.#bury(address, before.incarnation)
    if (this.#claims.get(address)?.incarnation === incarnation) this.#claims.delete(address)
    this.#medianClockMs = undefined
    this.#nodes.set(address, {
      address,
      incarnation,
      version: register.version,
      replicas: new Map(register.replicas.map(summary => [summary.shard, summary])),
      lastHeardMs: this.#nowMs,
      hasLeft: false,
      suspectedAtMs: undefined,
      refusals: 0,
      clockSamplesMs: before === undefined ? [] : [...before.clockSamplesMs],
      clockMs: before?.clockMs,
      beatsAhead: 0,
      told: undefined,
      mapSent: undefined,
    })
    return true
  }

  /** A process says that it is at this address; whether it is will show when it confirms. */
  claim(address: string, incarnation: number): void {
    if (this.#nodes.get(address)?.incarnation !== incarnation) {
      this.#claims.set(address, { incarnation, atMs: this.#nowMs })
    }
  }

  /** True if this very process is known; it was heard of now. */
  heard(address: string, incarnation: number): boolean {
    const node = this.#nodes.get(address)
    if (node?.incarnation !== incarnation || node.hasLeft) return false
    node.lastHeardMs = this.#nowMs
    node.suspectedAtMs = undefined
    node.refusals = 0
    return true
  }

  /** Its clock, as its heartbeat says. */
  heardClock(address: string, wallMs: number): void {
    const node = this.#nodes.get(address)
    if (node === undefined || wallMs === 0) return
    node.clockSamplesMs.push(wallMs - this.#nowMs)
    if (node.clockSamplesMs.length > CLOCK_SAMPLES) node.clockSamplesMs.shift()
    const clockMs = Math.max(...node.clockSamplesMs)
    if (clockMs !== node.clockMs) this.#medianClockMs = undefined
    node.clockMs = clockMs
    node.beatsAhead = this.#aheadMs(node) > CLOCK_AHEAD_MS_MAX ? node.beatsAhead + 1 : 0
  }

  /** A process that is known ends in order. */
  leave(address: string, incarnation: number): boolean {
    const node = this.#nodes.get(address)
    if (node?.incarnation !== incarnation) return false
    node.hasLeft = true
    this.#medianClockMs = undefined
    return true
  }

  /** A link to this address broke, or was refused. True: ask the process whether it is there. */
  suspect(address: string, isOwnLink: boolean): boolean {
    const node = this.#nodes.get(address)
    if (node === undefined || this.#stateOf(node) !== 'alive') return false
    if (node.suspectedAtMs === undefined) node.suspectedAtMs = this.#nowMs
    else if (isOwnLink) node.refusals += 1
    return true
  }

  /** Those to be asked whether they are there. */
  suspects(): string[] {
    const suspected = [...this.#nodes.values()].filter(node => node.suspectedAtMs !== undefined)
    return suspected.filter(node => this.#stateOf(node) === 'alive').map(({ address }) => address)
  }

  /** 'unknown': not heard of since the coordinator started, which was not long ago. */
  state(address: string): NodeState {
    const node = this.#nodes.get(address)
    if (node !== undefined) return this.#stateOf(node)
    return this.#nowMs - (this.#startedMs ?? this.#nowMs) > START_GRACE_MS ? 'gone' : 'unknown'
  }

  node(address: string): KnownNode | undefined {
    return this.#nodes.get(address)
  }

  /** Sorted by address. */
  all(): KnownNode[] {
    return [...this.#nodes.values()].sort((a, b) => (a.address < b.address ? -1 : 1))
  }

  alive(): string[] {
    return this.all()
      .filter(node => this.#stateOf(node) === 'alive')
      .map(({ address }) => address)
  }

  /** The incarnation of the process that is alive there. */
  incarnationAt(address: string): number | undefined {
    const node = this.#nodes.get(address)
    return node !== undefined && this.#stateOf(node) === 'alive' ? node.incarnation : undefined
  }

  /** By how much its clock is ahead of its peers' median, ms; negative: behind. */
  clockOffsetMs(address: string): number {
    const node = this.#nodes.get(address)
    return node === undefined ? 0 : Math.round(this.#aheadMs(node))
  }

  /** By how much its clock is too far ahead, for some time now; 0 where it is not. */
  clockAheadMs(address: string): number {
    const node = this.#nodes.get(address)
    if (node === undefined || node.beatsAhead < CLOCK_BEATS) return 0
    // The others' clocks may have been set since it was last heard of.
    const aheadMs = this.clockOffsetMs(address)
    return aheadMs > CLOCK_AHEAD_MS_MAX ? aheadMs : 0
  }

  /** What is wrong with the process at this address, in words; '' where nothing is. */
  fault(address: string): string {
    const aheadMs = this.clockAheadMs(address)
    if (aheadMs > 0) return `its clock is ${aheadMs} ms ahead of the others': it is not made head`
    const claim = this.#claims.get(address)
    if (claim === undefined || this.#nowMs - claim.atMs > this.#heartbeatTimeoutMs * 5) return ''
    if (claim.incarnation === this.#nodes.get(address)?.incarnation) return ''
    return `another process (incarnation ${claim.incarnation}) claims this address and does not answer there`
  }

  #stateOf(node: KnownNode): NodeState {
    const silentMs = this.#nowMs - node.lastHeardMs
    if (node.hasLeft || silentMs > this.#heartbeatTimeoutMs) return 'gone'
    return node.refusals > 0 && silentMs >= REFUSED_SILENCE_MS ? 'gone' : 'alive'
  }

  /**
   * Whether a node is to be told that it is known, and by how much its clock is ahead; it counts as told then. It beats ten
   * times a second and need not hear it each time.
   */
  takeTelling(address: string): boolean {
    const node = this.#nodes.get(address)
    if (node === undefined) return false
    const clockAheadMs = this.clockAheadMs(address)
    const { told } = node
    const isNews = told === undefined || told.clockAheadMs > 0 !== clockAheadMs > 0
    if (!isNews && this.#nowMs - told.atMs < KNOWN_REPEAT_MS) return false
    node.told = { atMs: this.#nowMs, clockAheadMs }
    return true
  }

  /** Against the median of all that are alive and the coordinator's own. */
  #aheadMs(node: KnownNode): number {
    if (node.clockMs === undefined) return 0
    this.#medianClockMs ??= medianOf(this.#clocks(node.clockMs))
    return node.clockMs - this.#medianClockMs
  }

  /** `otherwise`: taken where nobody's clock counts. */
  #clocks(otherwise: number): number[] {
    const clocks: number[] = []
    for (const node of this.#nodes.values()) {
      if (node.clockMs !== undefined && this.#stateOf(node) === 'alive') clocks.push(node.clockMs)
    }
    if (this.#ownClockMs !== undefined) clocks.push(this.#ownClockMs)
    return clocks.length === 0 ? [otherwise] : clocks
  }

  #bury(address: string, incarnation: number): void {
    const past = this.#pastLives.get(address) ?? []
    const lives = [...past.filter(each => each !== incarnation), incarnation]
    this.#pastLives.set(address, lives.slice(-PAST_LIVES_MAX))
  }
}
