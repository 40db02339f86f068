/** One seed: a cluster is born, lives through its faults under load, is healed, and must be found whole and right. */
import './world/virtual-globals.js'
import { Random } from '../../tools/random.js'
import { Acknowledged } from './checkers/acknowledged.js'
import { CausalCuts } from './checkers/causal-cuts.js'
import { type Checker, check } from './checkers/checker.js'
import { CommittedLog } from './checkers/committed-log.js'
import { Configurations } from './checkers/configurations.js'
import { ExactlyOnce } from './checkers/exactly-once.js'
import { NeverFalls } from './checkers/never-falls.js'
import { OneHead } from './checkers/one-head.js'
import { PastAnswers } from './checkers/past-answers.js'
import { membersOf, Projections } from './checkers/projections.js'
import { StrongOrder } from './checkers/strong-order.js'
import { FaultMaker } from './faults/fault-maker.js'
import type { ThemeName } from './faults/names.js'
import { History } from './history.js'
import { Observer } from './observer.js'
import { type ClientShape, type Shape, shapeOf } from './shape.js'
import { applicationOf, probeOf, type WorkloadOptions } from './workload.js'
import { type Application, ClientProcess } from './world/client-process.js'
import { Cluster } from './world/cluster.js'
import { Schedule } from './world/schedule.js'
import { Trace } from './world/trace.js'
import { enter } from './world/virtual-globals.js'

/** Virtual time within which a cluster must be born, ms. */
const BIRTH_MS_MAX = 20_000
/** Virtual time within which a healed cluster must be whole and its clients done, ms. */
const HEALING_MS_MAX = 90_000
/** How long clients go on after the cluster was healed, ms. */
const AFTERMATH_MS = 1_500

export interface SimulationOptions {
  readonly seed: number
  readonly trace: 'nothing' | 'events' | 'all'
  /** Faults that do not happen. */
  readonly excluded: ReadonlySet<string>
  /** What all seeds go for; undefined: each for its own. */
  readonly theme: ThemeName | undefined
}

export interface SimulationResult {
  readonly seed: number
  /** What went wrong, or undefined. */
  readonly failure: Error | undefined
  readonly simulatedMs: number
  readonly events: number
  readonly operations: number
  readonly trace: readonly string[]
  readonly counts: ReadonlyMap<string, number>
}

class Simulation {
  readonly schedule = new Schedule()
  readonly trace: Trace
  readonly history = new History()
  readonly #seed: number
  readonly #shape: Shape
  readonly #cluster: Cluster
  readonly #checkers: readonly Checker[]
  readonly #observer: Observer
  readonly #faults: FaultMaker
  #violation: Error | undefined
  #isHealed = false

  constructor({ seed, trace, excluded, theme }: SimulationOptions) {
    this.#seed = seed
    this.trace = new Trace(this.schedule, trace)
    this.#shape = shapeOf(new Random(seed, 'shape'), excluded, theme)
    this.trace.note(`seed ${seed}: ${JSON.stringify(this.#shape)}`)
    this.#cluster = new Cluster(seed, this.#shape, this.schedule, this.trace, what =>
      this.#fail(new Error(what)),
    )
    const { schedule, membership } = this.#cluster
    enter({ schedule, chance: new Random(seed, 'chance'), freeBytes: dir => this.#cluster.freeBytes(dir) })
    const configurations = new Configurations(this.trace)
    const committed = new CommittedLog(this.#cluster, configurations)
    this.#checkers = [
      configurations,
      committed,
      new NeverFalls(),
      new OneHead(),
      new Acknowledged(this.#cluster, committed, configurations),
      new ExactlyOnce(committed),
      new StrongOrder(committed, this.#shape.shards),
      new PastAnswers(committed, this.#shape.shards),
      new CausalCuts(committed, this.#shape.shards),
      new Projections(committed),
    ]
    this.#observer = new Observer(this.#cluster, this.#checkers)
    this.#faults = new FaultMaker(this.#cluster, new Random(seed, 'faults'))
    membership.onStored = (ordinal, value, before) =>
      this.#guard(() => {
        for (const checker of this.#checkers) checker.onStored?.(ordinal, value, before)
        this.#faults.onStored(value)
      })
    this.history.onReturned = operation =>
      this.#guard(() => {
        for (const checker of this.#checkers) checker.onReturned?.(operation)
      })
    this.history.onLooked = look =>
      this.#guard(() => {
        for (const checker of this.#checkers) checker.onLooked?.(look)
      })
  }

  async run(): Promise<void> {
    await this.#birth()
    await this.#storm()
    await this.#healing()
    await this.#probe()
    await this.#rest()
  }

  async #birth(): Promise<void> {
    this.#startClients()
    for (const process of this.#cluster.servers) process.start()
    await this.#until('the cluster is born', BIRTH_MS_MAX, () => this.#cluster.isWhole())
    for (const client of this.#cluster.clients) client.start()
  }

  async #storm(): Promise<void> {
    this.trace.note('the storm begins')
    this.#faults.start()
    const endMs = this.schedule.nowMs + this.#shape.stormMs
    this.schedule.after(undefined, this.#shape.stormMs, () => {})
    await this.#run(() => this.schedule.nowMs >= endMs)
    this.#faults.stop()
  }

  async #healing(): Promise<void> {
    this.trace.note('all is healed')
    this.#cluster.heal()
    const overMs = this.schedule.nowMs + AFTERMATH_MS
    this.#welcome()
    this.schedule.after(undefined, AFTERMATH_MS, () => {
      for (const client of this.#cluster.clients) client.isOver = true
    })
    await this.#until('the healed cluster is whole and idle', HEALING_MS_MAX, () => {
      const isIdle = this.#cluster.clients.every(client => client.isIdle)
      return this.schedule.nowMs > overMs && isIdle && this.#cluster.isWhole() && this.#isLevel()
    })
    this.#isHealed = true
  }

  async #rest(): Promise<void> {
    this.trace.note('all is at rest')
    let isDone = false
    let failure: unknown
    const checkAll = async () => {
      try {
        for (const checker of this.#checkers) {
          await checker.atRest?.({ cluster: this.#cluster, history: this.history })
        }
      } catch (error) {
        failure = error
      }
      isDone = true
    }
    void checkAll()
    await this.#until('the checkers are done', HEALING_MS_MAX, () => isDone)
    if (failure !== undefined) throw failure
  }

  #startClients(): void {
    for (const shape of this.#shape.clients) {
      this.#cluster.clients.push(this.#newClient(shape, applicationOf))
    }
  }

  /** Those that left are asked back, again and again: they may have left just now, or not be there yet. */
  #welcome(): void {
    this.#cluster.welcomeAll()
    if (!this.#isHealed) this.schedule.after(undefined, 500, () => this.#welcome())
  }

  /** Every key is written and read once more, and whatever was asked must be answered. */
  async #probe(): Promise<void> {
    const shape = { ...this.#shape.clients[0]!, name: 'probe' }
    const probe = this.#newClient(shape, probeOf)
    probe.start()
    await this.#until('the last writes and reads are answered', HEALING_MS_MAX, () => probe.isIdle)
    const failed = this.history.operations.find(
      ({ client, outcome }) => client.startsWith('probe') && outcome !== 'ok',
    )
    check(failed === undefined, `all is healed, and ${failed?.type} of ${failed?.key}: ${failed?.error}`)
    await this.#until('all members know of the last commit', HEALING_MS_MAX, () => this.#isLevel())
  }

  #newClient(shape: ClientShape, make: (options: WorkloadOptions) => Application): ClientProcess {
    const { world, services, coordinator, nodes } = this.#cluster
    const random = new Random(this.#seed, `client ${shape.name}`)
    const application = make({
      shape,
      keys: this.#shape.keys,
      nodes: this.#shape.nodes,
      random,
      history: this.history,
      schedule: this.schedule,
      trace: this.trace,
    })
    const endpoints = random.shuffled([...nodes.keys(), coordinator.address]).slice(0, 3)
    return new ClientProcess(shape.name, world, services, endpoints, application)
  }

  /** True when every member has everything, and knows it. */
  #isLevel(): boolean {
    return this.#shape.shards.every(({ ordinal }) => {
      const members = membersOf(this.#cluster, ordinal).map(
        ({ address }) => this.#cluster.nodes.get(address)!,
      )
      const logs = members.map(({ disk }) => disk.log(ordinal))
      return members.every(({ node }, at) => {
        const { lastIndex, lastHash, pendingWrites } = logs[at]!
        const isSame = lastIndex === logs[0]!.lastIndex && lastHash.equals(logs[0]!.lastHash)
        return isSame && pendingWrites === 0 && node?.shard(ordinal)?.status().commitIndex === lastIndex
      })
    })
  }

  async #until(what: string, msMax: number, isDone: () => boolean): Promise<void> {
    const endMs = this.schedule.nowMs + msMax
    let nextLookMs = 0
    let isReached = false
    await this.#run(() => {
      if (this.schedule.nowMs < nextLookMs) return false
      nextLookMs = this.schedule.nowMs + 10
      isReached = isDone()
      return isReached || this.schedule.nowMs > endMs
    })
    check(isReached, `not within ${msMax} ms: ${what}: ${this.#standing()}`)
  }

  #run(isDone: () => boolean): Promise<void> {
    return this.schedule.run(() => {
      this.#guard(() => this.#observer.look())
      if (this.#violation !== undefined) throw this.#violation
      return isDone()
    })
  }

  /** A checker is called in the middle of the code under test, which must not take its error for its own. */
  #guard(look: () => void): void {
    try {
      look()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#violation ??= error instanceof Error ? error : new Error(String(error))
  }

  #standing(): string {
    const map = this.#cluster.coordinator.node?.shardMap()
    const shards = map?.shards.map(
      ({ name, epoch, status, waitingFor, members, wanted }) =>
        `${name} e${epoch} ${status} ${members.length} of ${wanted}${waitingFor === '' ? '' : `, waits for ${waitingFor}`}`,
    )
    const busy = this.#cluster.clients.filter(({ isIdle }) => !isIdle).map(({ address }) => address)
    return `${shards?.join('; ') ?? 'no shard map'}; busy clients: ${busy.join(' ') || 'none'}`
  }
}

/** Runs one seed. Never rejects. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options)
  let failure: Error | undefined
  const onUnhandled = (error: unknown) => {
    failure ??= error instanceof Error ? error : new Error(String(error))
  }
  process.on('unhandledRejection', onUnhandled)
  try {
    await simulation.run()
  } catch (error) {
    failure ??= error instanceof Error ? error : new Error(String(error))
  } finally {
    enter(undefined)
    process.off('unhandledRejection', onUnhandled)
  }
  const { schedule, trace, history } = simulation
  return {
    seed: options.seed,
    failure,
    simulatedMs: schedule.nowMs,
    events: schedule.eventCount,
    operations: history.operations.length,
    trace: trace.lines,
    counts: trace.counts,
  }
}
