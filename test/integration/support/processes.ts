/**
 * A cluster of real processes on loopback, for tests: started from the build, killed at will, always ended. Every
 * wait is for a condition; ports are free ones, data lives in a folder of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { connect } from '../../../src/client/client.js'
import {
  type ClusterConfig,
  makeLocalConfig,
  nodesOf,
  serializeClusterConfig,
} from '../../../src/node/cluster-config.js'
import { onFreePorts } from '../../../src/node/free-ports.js'

const DIST = fileURLToPath(new URL('../../../dist/src/node/', import.meta.url))

/** Long enough for a slow, busy machine; a test that needs it is about to fail. */
const PATIENCE_MS = 60_000

export interface Shape {
  readonly shards?: number
  readonly replicas?: number
  readonly topology?: 'chain' | 'star'
  readonly consistency?: 'strong' | 'weak'
}

/** One process of the cluster. */
export class TestProcess {
  readonly address: string
  readonly dataDir: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  #output = ''
  #complaint = ''

  constructor(address: string, dataDir: string, main: string, args: readonly string[]) {
    this.address = address
    this.dataDir = dataDir
    this.#args = [join(DIST, main), ...args]
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Everything it printed since its last start. */
  get output(): string {
    return this.#output
  }

  /** What it printed on stderr since its last start. */
  get complaint(): string {
    return this.#complaint
  }

  start(): void {
    if (!existsSync(this.#args[0]!)) throw new Error(`${this.#args[0]} is missing: run npm run build first`)
    mkdirSync(this.dataDir, { recursive: true })
    this.#output = ''
    this.#complaint = ''
    const child = spawn(process.execPath, [...this.#args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: Buffer) => {
      this.#output += chunk.toString()
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', (chunk: Buffer) => {
      keep(chunk)
      this.#complaint += chunk.toString()
    })
    this.#child = child
  }

  /** Ends it with a signal and resolves with its exit code when it is gone. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return child?.exitCode ?? null
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
    return child.exitCode
  }

  /** Resolves with the exit code of a process that ends by itself. */
  async ended(): Promise<number | null> {
    if (this.isRunning) await once(this.#child!, 'close')
    return this.#child!.exitCode
  }
}

export class TestCluster {
  readonly config: ClusterConfig
  readonly dir: string
  readonly coordinator: TestProcess
  readonly nodes: readonly TestProcess[]

  private constructor(config: ClusterConfig, dir: string) {
    this.config = config
    this.dir = dir
    const file = join(dir, 'cluster.json')
    writeFileSync(file, serializeClusterConfig(config))
    const coordinatorDir = join(dir, 'coordinator')
    this.coordinator = new TestProcess(config.coordinator, coordinatorDir, 'coordinator-main.js', [
      ...['--config', file, '--data', coordinatorDir],
    ])
    this.nodes = nodesOf(config).map((address, at) => {
      const data = join(dir, `node-${at + 1}`)
      return new TestProcess(address, data, 'node-main.js', [
        ...['--address', address, '--coordinator', config.coordinator, '--config', file, '--data', data],
      ])
    })
  }

  /** Starts a cluster that ends, and whose folder goes, with the test. Resolves when every shard serves. */
  static async start(t: ExecutionContext, shape: Shape = {}): Promise<TestCluster> {
    const { shards = 1, replicas = 3, topology = 'chain', consistency = 'strong' } = shape
    const local = makeLocalConfig({ shards, replicas, topology, consistency, basePort: 1 })
    const config = await onFreePorts(local)
    const cluster = new TestCluster(config, mkdtempSync(join(tmpdir(), 'varve-test-')))
    t.teardown(() => cluster.#destroy())
    cluster.startAll()
    try {
      await cluster.ready()
    } catch (error) {
      for (const each of cluster.processes) t.log(each.address, each.isRunning, each.output)
      throw error
    }
    return cluster
  }

  get processes(): TestProcess[] {
    return [this.coordinator, ...this.nodes]
  }

  get endpoints(): string[] {
    return this.nodes.map(({ address }) => address)
  }

  node(address: string): TestProcess {
    return this.nodes.find(node => node.address === address)!
  }

  startAll(): void {
    for (const each of this.processes) if (!each.isRunning) each.start()
  }

  /** `kill -9` of everything, all at once. */
  async killAll(): Promise<void> {
    await Promise.all(this.processes.map(each => each.end('SIGKILL')))
  }

  /** Resolves when every shard is ACTIVE by the coordinator's map. */
  async ready(): Promise<void> {
    const client = await until('a process answers', async () => {
      return await connect([this.config.coordinator, ...this.endpoints], { timeoutMs: 5_000 })
    })
    try {
      await until('every shard is active', async () => {
        const map = await client.shardMap()
        const waiting = map.shards.filter(({ status }) => status !== 'ACTIVE')
        if (waiting.length > 0) throw new Error(JSON.stringify(waiting))
        return map
      })
    } finally {
      await client.close()
    }
  }

  async #destroy(): Promise<void> {
    await this.killAll()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Tries until the action succeeds; after a long time, fails with its last error. */
export async function until<T>(what: string, action: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (let waitMs = 10; ; waitMs = Math.min(200, waitMs * 2)) {
    try {
      return await action()
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`still not true that ${what}`, { cause: error })
      await delay(waitMs)
    }
  }
}
