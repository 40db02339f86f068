/** A Varve cluster of operating-system processes on this machine, for one run of the benchmark. */

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Inspector } from '../../src/client/inspector.js'
import type { NodeStatus } from '../../src/generated/varve/v1/cluster.js'
import {
  type ClusterConfig,
  makeLocalConfig,
  nodesOf,
  serializeClusterConfig,
  type TopologyName,
} from '../../src/node/cluster-config.js'
import { unavailable } from '../exit-codes.js'
import { clusterProcesses } from '../local/cluster-processes.js'
import { DataFolder, nodeName } from '../local/data-folder.js'
import { freePorts } from '../local/free-ports.js'
import { readPid } from '../local/pid-file.js'
import { waitUntilReady } from '../local/ready.js'
import { Supervisor } from '../local/supervisor.js'
import type { Cleanup } from './cleanup.js'
import { hookArguments, profileArguments } from './node-arguments.js'
import type { ProcessUsage } from './subject.js'

export interface ClusterOptions {
  readonly cleanup: Cleanup
  /** Of its folder, and of its profiles: `chain`, `star`. */
  readonly name: string
  readonly topology: TopologyName
  readonly shards: number
  readonly replicas: number
  /** Where every process leaves a CPU profile when it ends. */
  readonly profile?: string
  /** Start nodes so that they can be told to collect garbage. */
  readonly exposeGc?: boolean
}

const READY_TIMEOUT_MS = 60_000
const SETTLE_TIMEOUT_MS = 120_000
/** A node under full load may take its time to say how it is. */
const INSPECT_TIMEOUT_MS = 20_000
const SETTLE_POLL_MS = 25

/** A cluster that serves. */
export class VarveCluster {
  readonly config: ClusterConfig
  /** Rejects when a process ends that should not; never resolves. */
  readonly failed: Promise<never>
  readonly #options: ClusterOptions
  readonly #folder: DataFolder
  #inspector = newInspector()
  #supervisor: Supervisor
  #fail: (error: Error) => void = () => {}
  #forget: () => void = () => {}

  /** Starts all processes and waits until every shard serves. Whatever goes wrong, nothing is left running. */
  static async start(options: ClusterOptions): Promise<VarveCluster> {
    const nodes = options.replicas
    const config = makeLocalConfig({
      shards: options.shards,
      replicas: options.replicas,
      basePort: await freePorts(nodes + 1),
      topology: options.topology,
    })
    const cluster = new VarveCluster(options, config)
    await cluster.#serve()
    return cluster
  }

  private constructor(options: ClusterOptions, config: ClusterConfig) {
    this.#options = options
    this.config = config
    this.#folder = new DataFolder(join(options.cleanup.folder, options.name))
    this.#folder.create(serializeClusterConfig(config))
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {})
    this.#supervisor = this.#newSupervisor()
  }

  /** The coordinator and all nodes. */
  get endpoints(): string[] {
    return [this.config.coordinator, ...nodesOf(this.config)]
  }

  /** Every process's CPU and memory, and its part: in the one shard if there is only one. */
  async usage(): Promise<ProcessUsage[]> {
    const statuses = await Promise.all(this.endpoints.map(address => this.#inspector.nodeStatus(address)))
    return statuses.map((status, at) => ({
      name: partOf(status, at),
      cpuSeconds: (status.cpuUserUs + status.cpuSystemUs) / 1e6,
      rssBytes: status.memoryRssBytes,
    }))
  }

  /** The nodes' process ids, in the order of `nodesOf`. */
  get nodePids(): number[] {
    return nodesOf(this.config).map(address => readPid(this.#folder.pidFile(nodeName(address))) ?? 0)
  }

  /** Resolves when all replicas hold the same entries, durable and committed at the head. */
  async settle(): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS
    for (;;) {
      const waitsFor = unsettled(
        await Promise.all(nodesOf(this.config).map(n => this.#inspector.nodeStatus(n))),
      )
      if (waitsFor === undefined) return
      if (performance.now() > deadline) {
        throw unavailable(`after ${SETTLE_TIMEOUT_MS / 1_000} s without load ${waitsFor}`)
      }
      await delay(SETTLE_POLL_MS)
    }
  }

  /** `kill -9` of all processes at once; resolves when they are gone. */
  async kill(): Promise<void> {
    this.#supervisor.signalAll('SIGKILL')
    await this.#supervisor.stop()
    this.#forget()
  }

  /** Starts all processes again on what they left. Resolves when every shard serves. */
  async restart(): Promise<void> {
    // A channel to a process that was gone waits before it tries again.
    this.#inspector.close()
    this.#inspector = newInspector()
    this.#supervisor = this.#newSupervisor()
    await this.#serve()
  }

  /** Ends all processes in an orderly way. */
  async stop(): Promise<void> {
    this.#inspector.close()
    await this.#supervisor.stop()
    this.#forget()
  }

  #newSupervisor(): Supervisor {
    const { name, profile, exposeGc } = this.#options
    const specs = clusterProcesses(this.#folder, this.config).map(spec => ({
      ...spec,
      args: [
        ...hookArguments(),
        ...(exposeGc === true ? ['--expose-gc'] : []),
        ...profileArguments(profile, `${name}-${spec.name}`),
        ...spec.args,
      ],
    }))
    return new Supervisor(this.#folder, specs, false, {
      started: () => {},
      notice: line => this.#fail(unavailable(line)),
    })
  }

  async #serve(): Promise<void> {
    const supervisor = this.#supervisor
    this.#forget = this.#options.cleanup.onExit(() => supervisor.signalAll('SIGKILL'))
    await supervisor.start(async signal => {
      await waitUntilReady({
        inspector: this.#inspector,
        coordinator: this.config.coordinator,
        shardCount: this.#options.shards,
        waitMs: READY_TIMEOUT_MS,
        signal,
        onActive: () => {},
      })
    })
  }
}

function newInspector(): Inspector {
  return new Inspector({ timeoutMs: INSPECT_TIMEOUT_MS })
}

/** `head`, `middle` and so on where a process holds one shard only; else its role and number. */
function partOf(status: NodeStatus, at: number): string {
  const [replica, another] = status.replicas
  if (replica === undefined) return status.role
  return another === undefined ? replica.role : `${status.role} ${at}`
}

/** What is not done yet, in words; undefined when all is. */
function unsettled(statuses: readonly NodeStatus[]): string | undefined {
  const replicas = statuses.flatMap(({ address, replicas: held }) =>
    held.map(replica => ({ address, replica })),
  )
  for (const { replica: head } of replicas.filter(({ replica }) => replica.role === 'head')) {
    for (const { address, replica } of replicas) {
      if (replica.ordinal !== head.ordinal) continue
      if (replica.lastIndex !== head.lastIndex || replica.durableIndex < head.lastIndex) {
        return `${address} holds ${replica.shard} up to index ${replica.durableIndex}, its head up to ${head.lastIndex}`
      }
      if (replica.commitIndex < head.lastIndex) {
        return `${address} knows ${replica.shard} as committed up to ${replica.commitIndex} of ${head.lastIndex}`
      }
    }
  }
  return undefined
}
