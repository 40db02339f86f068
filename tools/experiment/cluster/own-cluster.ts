/** A cluster of a run's own: started for it on this machine, and gone with it. */

import { cpSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Inspector } from '../../../src/client/inspector.js'
import { type ClusterConfig, nodesOf, serializeClusterConfig } from '../../../src/node/cluster-config.js'
import { unavailable } from '../../exit-codes.js'
import { clusterProcesses, describe, type ProcessSpec } from '../../local/cluster-processes.js'
import { DataFolder } from '../../local/data-folder.js'
import { endNode, type NodeProcess } from '../../local/node-process.js'
import { Pause } from '../../local/pause.js'
import { liveProcess } from '../../local/pid-file.js'
import { accepts } from '../../local/ports.js'
import { waitUntilReady } from '../../local/ready.js'
import { Supervisor } from '../../local/supervisor.js'
import type { ExitHooks } from '../../worker/worker-process.js'
import type { ExperimentCluster, ProcessNotice } from './experiment-cluster.js'

const READY_MS_MAX = 180_000
const INSPECT_TIMEOUT_MS = 5_000
const END_GRACE_MS = 10_000
const LISTEN_MS_MAX = 60_000
const POLL_MS = 25

/** What `OwnCluster.start` needs. */
export interface OwnClusterOptions {
  readonly config: ClusterConfig
  /** A path where nothing is yet. It is removed at the end, but for the logs. */
  readonly dataDir: string
  /** Where the processes' logs are left. */
  readonly logDir: string
  readonly restart: boolean
  readonly hooks: ExitHooks
  readonly signal: AbortSignal
  /** So many processes listen. */
  readonly onStarted: (listening: number, of: number) => void
  readonly onProcess: ProcessNotice
}

export class OwnCluster implements ExperimentCluster {
  readonly coordinator: string
  readonly topology: 'chain' | 'star'
  readonly nodes: readonly string[]
  readonly shards: Readonly<Record<string, readonly string[]>>
  readonly #options: OwnClusterOptions
  readonly #folder: DataFolder
  readonly #specs: readonly ProcessSpec[]
  readonly #supervisor: Supervisor
  readonly #forget: () => void
  readonly #paused = new Map<string, Pause>()
  /** Those that are to end: what becomes of them is no news. */
  readonly #told = new Set<string>()
  #startedInMs: number | undefined
  #closing: Promise<void> | undefined

  /** Starts all processes and resolves when every shard serves. Whatever goes wrong, nothing is left running. */
  static async start(options: OwnClusterOptions): Promise<OwnCluster> {
    const cluster = new OwnCluster(options)
    const begun = performance.now()
    try {
      await unlessAborted(
        options.signal,
        cluster.#supervisor.start(signal => cluster.#ready(signal)),
      )
    } catch (error) {
      await cluster.close()
      throw error
    }
    cluster.#startedInMs = performance.now() - begun
    return cluster
  }

  private constructor(options: OwnClusterOptions) {
    const { config, dataDir, hooks, restart, onStarted } = options
    this.#options = options
    this.coordinator = config.coordinator
    this.topology = config.topology
    this.nodes = nodesOf(config)
    this.shards = config.shards
    this.#folder = new DataFolder(dataDir)
    this.#folder.create(serializeClusterConfig(config))
    process.env.VARVE_END_WITH = String(process.pid)
    this.#specs = clusterProcesses(this.#folder, config).map(endingWithParent)
    this.#supervisor = new Supervisor(this.#folder, this.#specs, restart, {
      started: onStarted,
      notice: () => {},
      ended: (spec, reason) => this.#onEnd(spec, reason),
    })
    this.#forget = hooks.onExit(() => this.#supervisor.signalAll('SIGKILL'))
  }

  get startedInMs(): number | undefined {
    return this.#startedInMs
  }

  async end(address: string, isClean: boolean): Promise<void> {
    const found = this.#running(address)
    this.#told.add(address)
    await endNode(found, isClean, END_GRACE_MS)
    await this.#letGo(address)
  }

  async start(address: string): Promise<void> {
    const spec = this.#specOf(address)
    if (!this.#supervisor.startNow(spec)) throw unavailable(`${describe(spec)} runs already`)
    this.#told.delete(address)
    const deadline = performance.now() + LISTEN_MS_MAX
    while (!(await accepts(address))) {
      if (performance.now() > deadline) {
        throw unavailable(`${describe(spec)} does not listen ${LISTEN_MS_MAX / 1_000} s after its start`)
      }
      await delay(POLL_MS)
    }
    this.#options.onProcess(address, 'listens again')
  }

  async pause(address: string): Promise<void> {
    this.#paused.set(address, await Pause.begin(this.#running(address).pid))
  }

  async resume(address: string): Promise<void> {
    this.#running(address)
    await this.#letGo(address)
  }

  async isRunning(address: string): Promise<boolean> {
    return liveProcess(this.#folder, this.#specOf(address).name) !== undefined
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** What is on the disks is not wanted any more, so nobody needs to end in order. */
  async #close(): Promise<void> {
    this.#supervisor.signalAll('SIGKILL')
    await this.#supervisor.stop()
    for (const address of [...this.#paused.keys()]) await this.#letGo(address)
    this.#forget()
    cpSync(`${this.#folder.path}/logs`, this.#options.logDir, { recursive: true })
    rmSync(this.#folder.path, { recursive: true, force: true })
  }

  async #ready(signal: AbortSignal): Promise<void> {
    using inspector = new Inspector({ timeoutMs: INSPECT_TIMEOUT_MS })
    const { coordinator } = this
    const shardCount = Object.keys(this.shards).length
    await waitUntilReady({
      inspector,
      coordinator,
      shardCount,
      waitMs: READY_MS_MAX,
      signal,
      onActive: () => {},
    })
  }

  async #letGo(address: string): Promise<void> {
    await this.#paused.get(address)?.end()
    this.#paused.delete(address)
  }

  #onEnd({ address }: ProcessSpec, reason: string): void {
    if (!this.#told.has(address)) this.#options.onProcess(address, reason)
  }

  #specOf(address: string): ProcessSpec {
    const spec = this.#specs.find(each => each.address === address)
    if (spec === undefined) throw unavailable(`${address} is no process of this cluster`)
    return spec
  }

  #running(address: string): NodeProcess {
    const spec = this.#specOf(address)
    const found = liveProcess(this.#folder, spec.name)
    if (found === undefined) throw unavailable(`${describe(spec)} does not run`)
    const isThere = () => liveProcess(this.#folder, spec.name)?.pid === found.pid
    return { address, pid: found.pid, dataDir: this.#folder.nodeDir(spec.name), isThere }
  }
}

/** The same process, which does not outlive this one. */
function endingWithParent(spec: ProcessSpec): ProcessSpec {
  const isSource = import.meta.url.endsWith('.ts')
  const hook = new URL(`../../local/end-with-parent.${isSource ? 'ts' : 'js'}`, import.meta.url)
  return { ...spec, args: [...(isSource ? process.execArgv : []), '--import', hook.href, ...spec.args] }
}

/** As the promise, or a rejection with the signal's reason as soon as it aborts. */
async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
