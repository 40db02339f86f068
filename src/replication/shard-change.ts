/**
 * One change of a shard's configuration, step by step. An epoch number is reserved in the store before its first Seal;
 * the configuration is stored before any replica is told; ACTIVE is recorded before any replica is told (I1, I6). Any
 * surprise on the way burns the epoch: a change is begun again, with a higher one.
 */
import type { Configuration, ReplicaSummary } from '../generated/varve/v1/replication.js'
import { memberFault } from './change-due.js'
import { activated, hasEnoughMembers, memberAt } from './configuration.js'
import type { Body } from './effects.js'
import type { NodeTable } from './node-table.js'
import { propose, type Seal } from './proposal.js'
import { Repeats } from './repeats.js'
import type { ShardRecord } from './shard-record.js'

/** Who is alive and has not sealed by then is left out, ms ... */
export const SEAL_MS_MAX = 1_000
/** ... later where too few would be left for strong requests, ms. */
export const SEAL_BELOW_MIN_MS_MAX = 3_000
/** How long a head that leaves may take to get rid of what is not committed, ms. */
export const DRAIN_MS_MAX = 2_000

/** An operator's forced recovery. */
export interface Force {
  /** Whose log counts; '' for the one with the most. */
  readonly address: string
  readonly done: (configuration: Configuration) => void
  readonly failed: (reason: string) => void
}

interface Sealing {
  readonly name: 'sealing'
  readonly epoch: number
  readonly sinceMs: number
  /** When somebody last answered. */
  heardMs: number
  readonly repeats: Repeats
  readonly seals: Map<string, Seal>
  readonly asked: readonly string[]
  readonly force: Force | undefined
}

type Phase =
  | { readonly name: 'idle' }
  /** The head, which leaves, gets rid of what is not committed. */
  | { readonly name: 'draining'; readonly untilMs: number }
  | { readonly name: 'reserving'; readonly epoch: number; readonly force: Force | undefined }
  | Sealing
  | { readonly name: 'proposing'; readonly configuration: Configuration; readonly force: Force | undefined }
  | { readonly name: 'configuring'; readonly configuration: Configuration; readonly repeats: Repeats }
  | {
      readonly name: 'recording'
      readonly configuration: Configuration
      readonly before: Configuration | null
    }

/** What a change needs of the shard's control around it. */
export interface ChangeContext {
  readonly record: ShardRecord
  readonly nodes: NodeTable
  send(to: string, epoch: number, body: Body): void
  /** Whom to seal now. */
  toSeal(): readonly string[]
  /** Who goes on, the first first; whoever else is sealed may have to lead. */
  order(): readonly string[]
  isLeftOut(address: string): boolean
  /** A member of the proposed configuration that holds it up for too long. */
  heldUp(configuration: Configuration): boolean
  /** The change came to nothing: why, in words. */
  gaveUp(waitingFor: string): void
  /** Head and members were found. */
  proposed(): void
  inOffice(configuration: Configuration, before: Configuration | null): void
}

export class ShardChange {
  readonly #context: ChangeContext
  #phase: Phase = { name: 'idle' }
  #drainedEpoch = 0

  constructor(context: ChangeContext) {
    this.#context = context
  }

  get phase(): Phase['name'] {
    return this.#phase.name
  }

  /** Begins with an epoch above every one that was reserved or heard of. */
  begin(force?: Force): void {
    const { record, nodes } = this.#context
    const known = nodes.all().map(node => node.replicas.get(record.listed.ordinal)?.adoptedEpoch ?? 0)
    const epoch = Math.max(record.membership.reservedEpoch, ...known) + 1
    this.#phase = { name: 'reserving', epoch, force }
    record.write({ reservedEpoch: epoch })
  }

  /** Begins as soon as the head of the configuration in office, which leaves, holds nothing that is not committed. */
  beginDrained(): void {
    const untilMs = this.#context.nodes.nowMs + DRAIN_MS_MAX
    this.#phase = { name: 'draining', untilMs }
    this.#drain(untilMs)
  }

  /** The head says that nothing is left. */
  drained(epoch: number): void {
    this.#drainedEpoch = epoch
  }

  /** Time passed, or a process came or went. Not while something is being stored. */
  goOn(): void {
    const phase = this.#phase
    if (phase.name === 'draining') this.#drain(phase.untilMs)
    else if (phase.name === 'sealing') this.#seal(phase)
    else if (phase.name === 'configuring') this.#configure(phase.configuration, phase.repeats)
  }

  sealed(from: string, incarnation: number, epoch: number, summary: ReplicaSummary): void {
    const phase = this.#phase
    if (phase.name !== 'sealing' || phase.epoch !== epoch) return
    if (this.#context.nodes.incarnationAt(from) !== incarnation || summary.adoptedEpoch !== epoch) return
    if (!phase.asked.includes(from)) return
    phase.seals.set(from, { incarnation, summary })
    phase.heardMs = this.#context.nodes.nowMs
    if (this.#unsealed(phase).length === 0) this.#propose(phase)
  }

  ready(from: string, incarnation: number, epoch: number, epochIndex: number, epochHash: Buffer): void {
    const phase = this.#phase
    const { record } = this.#context
    if (phase.name !== 'configuring' || phase.configuration.epoch !== epoch || record.isWriting) return
    const head = memberAt(phase.configuration, from)
    if (from !== phase.configuration.head || head?.incarnation !== incarnation) return
    const configuration = activated(phase.configuration)
    const before = record.membership.active
    this.#phase = { name: 'recording', configuration, before }
    // What an operator forced is where survivors come from, however few it has.
    const isBase = hasEnoughMembers(configuration) || configuration.recovery?.epoch === epoch
    const base = { base: configuration, baseEpochIndex: epochIndex, baseEpochHash: epochHash.toString('hex') }
    const members = configuration.members.map(({ address }) => address)
    record.reports.begin(members, epochIndex, isBase)
    record.write({
      ...(isBase ? base : {}),
      current: configuration,
      active: configuration,
      activeEpochIndex: epochIndex,
      activeEpochs: [...record.membership.activeEpochs, epoch],
    })
  }

  /** What was to be stored is: the next step. */
  stored(): void {
    const phase = this.#phase
    const { nodes, toSeal } = this.#context
    if (phase.name === 'reserving') {
      const { epoch, force } = phase
      const asked = force === undefined ? toSeal() : nodes.alive()
      const sealing: Sealing = {
        name: 'sealing',
        epoch,
        sinceMs: nodes.nowMs,
        heardMs: nodes.nowMs,
        repeats: new Repeats(),
        seals: new Map(),
        asked,
        force,
      }
      this.#phase = sealing
      this.#seal(sealing)
    } else if (phase.name === 'proposing') {
      const repeats = new Repeats()
      this.#phase = { name: 'configuring', configuration: phase.configuration, repeats }
      phase.force?.done(phase.configuration)
      this.#configure(phase.configuration, repeats)
    } else if (phase.name === 'recording') {
      this.#phase = { name: 'idle' }
      this.#context.inOffice(phase.configuration, phase.before)
    }
  }

  #drain(untilMs: number): void {
    const { record, nodes, send } = this.#context
    const { current } = record.membership
    const isOver = current === null || memberFault(current, nodes) !== undefined
    if (isOver || this.#drainedEpoch === current.epoch || nodes.nowMs >= untilMs) return this.begin()
    send(current.head, current.epoch, { $case: 'drain', value: {} })
  }

  #seal(phase: Sealing): void {
    const { record, nodes, send } = this.#context
    const unsealed = this.#unsealed(phase)
    const isBirth = record.membership.active === null
    const isEnough = !isBirth && phase.seals.size >= record.listed.minInSync
    const maxMs = isEnough ? SEAL_MS_MAX : SEAL_BELOW_MIN_MS_MAX
    // At birth nobody can be left out: as long as answers come, to ask all of them anew would only take longer.
    const sinceMs = isBirth ? phase.heardMs : phase.sinceMs
    if (unsealed.length === 0 || nodes.nowMs - sinceMs >= maxMs) return this.#propose(phase)
    if (!phase.repeats.isDue(nodes.nowMs)) return
    for (const address of unsealed) send(address, phase.epoch, { $case: 'seal', value: {} })
  }

  /** Those alive whose present process has not sealed yet; what an earlier life of it said does not count. */
  #unsealed({ asked, seals }: Sealing): string[] {
    return asked.filter(address => {
      const alive = this.#context.nodes.incarnationAt(address)
      return alive !== undefined && seals.get(address)?.incarnation !== alive
    })
  }

  #propose({ epoch, seals, asked, force }: Sealing): void {
    const { record, nodes, order, isLeftOut } = this.#context
    const standing = [...seals].filter(([address, seal]) => nodes.incarnationAt(address) === seal.incarnation)
    const isShortAtBirth = record.membership.active === null && standing.length < asked.length
    if (isShortAtBirth) return this.#giveUp(asked.join(', '), force)
    const isWanted = (address: string) => force === undefined || ['', address].includes(force.address)
    const proposal = propose({
      listed: record.listed,
      membership: record.newest,
      epoch,
      seals: new Map(standing.filter(([address]) => isWanted(address))),
      order: order(),
      leftOut: isLeftOut,
      clockAheadMs: address => nodes.clockAheadMs(address),
      force: force !== undefined,
    })
    if ('waitingFor' in proposal) return this.#giveUp(proposal.waitingFor, force)
    const { configuration } = proposal
    this.#phase = { name: 'proposing', configuration, force }
    this.#context.proposed()
    const recovery = configuration.recovery ?? null
    if (force === undefined) return record.write({ current: configuration, recovery })
    // Whoever leads now must not leave again because it once did.
    const left = record.membership.left.filter(address => address !== configuration.head)
    record.reports.giveUp(recovery!.cutIndex)
    record.write({ current: configuration, recovery, left })
  }

  #configure(configuration: Configuration, repeats: Repeats): void {
    const { nodes, send, heldUp } = this.#context
    if (memberFault(configuration, nodes) !== undefined || heldUp(configuration)) {
      this.#phase = { name: 'idle' }
      return
    }
    if (!repeats.isDue(nodes.nowMs)) return
    for (const { address } of configuration.members) {
      send(address, configuration.epoch, { $case: 'configure', value: { configuration } })
    }
  }

  #giveUp(waitingFor: string, force: Force | undefined): void {
    this.#phase = { name: 'idle' }
    force?.failed(`nothing to go on with: waiting for ${waitingFor}`)
    this.#context.gaveUp(waitingFor)
  }
}
