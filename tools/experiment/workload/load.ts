/** The load of one run: connections to the cluster, operations, and the history that they leave. */

import { connect, type VarveClient } from '../../../src/client/client.js'
import { HistoryWriter } from '../../history/history-file.js'
import { RecordingClient } from '../../history/recording-client.js'
import { type ClosedLoopStep, runClosedLoop } from './closed-loop.js'
import { FileSource, readRunFile } from './file-source.js'
import { GeneratedSource } from './generated-source.js'
import { HistoryTally } from './history-tally.js'
import { inKeyOrder } from './key-order.js'
import { machineClock } from './load-clock.js'
import type { DriverOptions, Perform } from './load-driver.js'
import { modesOf } from './load-modes.js'
import {
  type LoadProcessEvent,
  type LoadTotals,
  PRELOAD_CLIENT,
  PROGRESS_EVERY_MS,
  type PrepareRequest,
} from './load-protocol.js'
import { runOpenLoop } from './open-loop.js'
import type { OperationSource } from './operations.js'
import { performOperation } from './perform-operation.js'
import { preload } from './preload.js'
import type { Workload } from './workload.js'

const HISTORY_CLOCK = 'CLOCK_MONOTONIC, ms'
const CONNECT_TIMEOUT_MS = 30_000
/** Beyond its time-out a call may take so long until it says that it is over. */
const DRAIN_GRACE_MS = 1_000

type Emit = (event: LoadProcessEvent) => void

interface LoadParts {
  readonly orders: PrepareRequest
  readonly source: OperationSource
  readonly connections: readonly VarveClient[]
  readonly writer: HistoryWriter
  /** Ends what is under way early and in order. */
  readonly stop: AbortSignal
}

/** Ready to run once. It holds connections and the history's file until then. */
export class Load {
  readonly #parts: LoadParts
  /** Aborted where the history cannot be written. */
  readonly #broken = new AbortController()
  readonly #recorded = new Map<number, RecordingClient>()
  #clients = 0

  private constructor(parts: LoadParts) {
    this.#parts = parts
  }

  /** Connects and writes the workload's first records. The signal ends that, and later the run, early and in order. */
  static async prepare(orders: PrepareRequest, stop: AbortSignal): Promise<Load> {
    const source = await sourceOf(orders.workload, orders.seed)
    const writer = writerOf(orders)
    let connections: readonly VarveClient[] = []
    try {
      connections = await connectAll(orders)
      const load = new Load({ orders, source, connections, writer, stop })
      await load.#preload()
      return load
    } catch (error) {
      await Promise.all(connections.map(each => each.close()))
      writer.close()
      throw error
    }
  }

  /** Makes the load, and closes everything when it has ended. Rejects where the history could not be written. */
  async run(emit: Emit): Promise<LoadTotals> {
    const tally = this.#tally()
    const progress = setInterval(() => {
      tally.guard(() => this.#parts.writer.flush())
      emit({ kind: 'progress', ...tally.counts, clients: this.#clients })
    }, PROGRESS_EVERY_MS)
    try {
      const notBegun = await this.#drive(tally, emit)
      await this.#close(tally)
      this.#broken.signal.throwIfAborted()
      return { ...tally.counts, notBegun, lastReturnedMonotonicMs: tally.lastReturnedMs }
    } finally {
      clearInterval(progress)
    }
  }

  async #preload(): Promise<void> {
    const { orders, connections, stop } = this.#parts
    const { workload } = orders
    if (workload.kind !== 'ycsb') return
    const tally = this.#tally()
    const about = { name: PRELOAD_CLIENT, sink: tally, consistency: 'strong' } as const
    const recorded = new RecordingClient(connections[0]!, about)
    await preload(recorded, workload, AbortSignal.any([stop, this.#broken.signal]))
    recorded.close()
    tally.guard(() => this.#parts.writer.flush())
    this.#broken.signal.throwIfAborted()
  }

  #tally(): HistoryTally {
    return new HistoryTally(this.#parts.writer, error => this.#broken.abort(error))
  }

  async #drive(tally: HistoryTally, emit: Emit): Promise<number> {
    const { workload } = this.#parts.orders
    const { ratePerSecond, clients, durationMs = Infinity } = workload
    const options: DriverOptions = {
      source: this.#parts.source,
      perform: workload.kind === 'run-file' ? inKeyOrder(this.#perform(tally)) : this.#perform(tally),
      clock: machineClock,
      signal: AbortSignal.any([this.#parts.stop, this.#broken.signal]),
      drainMs: workload.timeoutMs + DRAIN_GRACE_MS,
    }
    const steps: readonly ClosedLoopStep[] = workload.ramp ?? [{ clients, forMs: durationMs }]
    this.#clients = steps[0]!.clients
    emit({ kind: 'begun', monotonicMs: machineClock.nowMs(), wallMs: Date.now(), clients: this.#clients })
    if (ratePerSecond !== undefined) {
      const { notBegun } = await runOpenLoop({ ...options, ratePerSecond, clients, durationMs })
      return notBegun
    }
    const onStep = (step: ClosedLoopStep) => {
      if (step === steps[0]) return
      this.#clients = step.clients
      emit({ kind: 'step', monotonicMs: machineClock.nowMs(), clients: step.clients })
    }
    await runClosedLoop({ ...options, steps, onStep })
    return 0
  }

  #perform(tally: HistoryTally): Perform {
    return (operation, turn) => {
      const client = this.#recordedAs(turn.client, tally)
      return performOperation(client, operation, modesOf(this.#parts.orders, turn.client), turn)
    }
  }

  #recordedAs(client: number, tally: HistoryTally): RecordingClient {
    const known = this.#recorded.get(client)
    if (known !== undefined) return known
    const connection = this.#parts.connections[client % this.#parts.connections.length]!
    const { consistency } = modesOf(this.#parts.orders, client)
    const recorded = new RecordingClient(connection, { name: `c${client}`, sink: tally, consistency })
    this.#recorded.set(client, recorded)
    return recorded
  }

  /** What the drivers left under way ends with the connections, or is unknown. */
  async #close(tally: HistoryTally): Promise<void> {
    await Promise.all(this.#parts.connections.map(each => each.close()))
    for (const recorded of this.#recorded.values()) recorded.close()
    tally.guard(() => this.#parts.writer.close())
  }
}

async function sourceOf(workload: Workload, seed: number): Promise<OperationSource> {
  if (workload.kind === 'run-file') return new FileSource(await readRunFile(workload))
  return new GeneratedSource(workload, seed)
}

function writerOf({ run, seed, workload, consistency, reads, historyFile }: PrepareRequest): HistoryWriter {
  return new HistoryWriter(historyFile, HISTORY_CLOCK, { run, seed, workload, consistency, reads })
}

async function connectAll({ endpoints, workload }: PrepareRequest): Promise<VarveClient[]> {
  const { connections, timeoutMs } = workload
  // Every operation names its own mode.
  const options = { timeoutMs, connectTimeoutMs: CONNECT_TIMEOUT_MS }
  const tried = await Promise.allSettled(
    Array.from({ length: connections }, () => connect(endpoints, options)),
  )
  const made = tried.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  const failed = tried.find(each => each.status === 'rejected')
  if (failed === undefined) return made
  await Promise.all(made.map(each => each.close()))
  throw failed.reason
}
