/** The cluster under chaos: processes of the build, reaching each other through relays. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Inspector } from '../../src/client/inspector.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import {
  type ClusterConfig,
  makeLocalConfig,
  nodesOf,
  serializeClusterConfig,
} from '../../src/node/cluster-config.js'
import { onFreePorts } from '../../src/node/free-ports.js'
import { ChaosProcess, type ProcessEnd } from './chaos-process.js'
import { ChaosNetwork } from './network.js'
import { type ChaosOptions, REPLICAS } from './options.js'
import { SmallDisk } from './small-disk.js'

const DIST = fileURLToPath(new URL('../../dist/src/node/', import.meta.url))
const INSPECT_TIMEOUT_MS = 2_000

/** What a process that ended by itself waits for before it is started again. */
const RESTART_AFTER_MS = 500

export class ChaosCluster {
  readonly config: ClusterConfig
  readonly network: ChaosNetwork
  readonly coordinator: ChaosProcess
  readonly nodes: readonly ChaosProcess[]
  /** The node whose data is on a small disk, where the machine permits one. */
  readonly smallDisk: { readonly node: ChaosProcess; readonly disk: SmallDisk } | undefined
  /** Why there is none. */
  readonly noSmallDisk: string | undefined
  /** Processes that ended by themselves without a reason. */
  readonly unexpectedEnds: ProcessEnd[] = []
  readonly #inspector = new Inspector({ timeoutMs: INSPECT_TIMEOUT_MS })
  readonly #restarts = new Set<NodeJS.Timeout>()
  #heads: readonly string[] = []
  #isEnding = false

  private constructor(
    config: ClusterConfig,
    network: ChaosNetwork,
    dir: string,
    wantsSmallDisk: boolean,
    smallDiskAt: number,
  ) {
    this.config = config
    this.network = network
    const file = join(dir, 'cluster.json')
    writeFileSync(file, serializeClusterConfig(config))
    const dials = (address: string) => ({ VARVE_DIAL: JSON.stringify(network.dialMap(address)) })
    const make = (name: string, address: string, main: string, args: string[], dataDir: string) =>
      new ChaosProcess({
        name,
        address,
        args: [join(DIST, main), ...args, '--config', file, '--data', dataDir],
        env: dials(address),
        dataDir,
        outputFile: join(dir, `${name}.log`),
        onEnd: end => this.#endedByItself(end),
      })
    const { coordinator } = config
    this.coordinator = make('coordinator', coordinator, 'coordinator-main.js', [], join(dir, 'coordinator'))
    const addresses = nodesOf(config)
    const mounted = wantsSmallDisk ? SmallDisk.mount(join(dir, 'small-disk')) : undefined
    const disk = mounted instanceof SmallDisk ? mounted : undefined
    this.nodes = addresses.map((address, at) => {
      const isSmall = disk !== undefined && at === smallDiskAt
      const dataDir = isSmall ? join(disk.dir, 'data') : join(dir, `n${at + 1}`)
      const args = ['--address', address, '--coordinator', coordinator]
      return make(`n${at + 1}`, address, 'node-main.js', args, dataDir)
    })
    this.noSmallDisk = typeof mounted === 'string' ? mounted : undefined
    this.smallDisk = disk === undefined ? undefined : { node: this.nodes[smallDiskAt]!, disk }
  }

  /** Starts everything and resolves when every shard has all of its members. */
  static async start(options: ChaosOptions, dir: string): Promise<ChaosCluster> {
    if (!existsSync(DIST)) throw new Error(`${DIST} is missing: run npm run build first`)
    mkdirSync(dir, { recursive: true })
    const { nodes, shards, topology, seed } = options
    const replicas = Math.min(nodes, REPLICAS)
    const local = makeLocalConfig({ shards, replicas, topology, consistency: 'strong', basePort: 1 })
    const spare = Array.from({ length: nodes - replicas }, (_, at) => `127.0.0.1:${2 + replicas + at}`)
    const config = await onFreePorts(spare.length > 0 ? { ...local, nodes: spare } : local)
    const network = await ChaosNetwork.open([config.coordinator, ...nodesOf(config)])
    const wantsSmallDisk = options.faults.includes('disk')
    const cluster = new ChaosCluster(config, network, dir, wantsSmallDisk, seed % replicas)
    try {
      cluster.startAll()
      await cluster.whole(60_000)
    } catch (error) {
      await cluster.destroy()
      throw error
    }
    return cluster
  }

  get processes(): readonly ChaosProcess[] {
    return [this.coordinator, ...this.nodes]
  }

  get endpoints(): string[] {
    return this.nodes.map(({ address }) => address)
  }

  nameOf(address: string): string {
    return this.processes.find(each => each.address === address)?.name ?? address
  }

  /** Nodes that led a shard when somebody last looked. */
  get heads(): ChaosProcess[] {
    return this.nodes.filter(({ address }) => this.#heads.includes(address))
  }

  startAll(): void {
    for (const each of this.processes) each.start()
  }

  /** The coordinator's map; rejects where it does not answer. */
  async map(): Promise<ShardMap> {
    const map = await this.#inspector.shardMap(this.config.coordinator)
    this.#heads = map.shards.map(({ head }) => head)
    return map
  }

  /** Why some shard has not all of its members, in words; undefined when all have. */
  async lacks(): Promise<string | undefined> {
    let map: ShardMap
    try {
      map = await this.map()
    } catch (error) {
      return `the coordinator does not answer: ${(error as Error).message}`
    }
    for (const { name, status, members, learners, waitingFor, epoch } of map.shards) {
      const wanted = this.config.shards[name]!.length
      if (status === 'ACTIVE' && members.length >= wanted && learners.length === 0) continue
      const held = members.map(({ address }) => this.nameOf(address)).join(', ')
      const coming = learners.map(({ address, index }) => `${this.nameOf(address)} at ${index}`).join(', ')
      const what = `${name} is ${status} in epoch ${epoch} with ${held || 'nobody'} of ${wanted}`
      return `${what}, learners: ${coming || 'none'} ${waitingFor}`
    }
    return undefined
  }

  /** Resolves when every shard has all of its members; rejects with what is missing when the time is over. */
  async whole(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const missing = await this.lacks()
      if (missing === undefined) return
      if (performance.now() > deadline) throw new Error(`after ${timeoutMs / 1_000} s ${missing}`)
      await delay(50)
    }
  }

  /** Undoes all that may still hold: cuts, pauses, full disks, dead processes. */
  heal(): void {
    this.network.heal()
    this.smallDisk?.disk.makeRoom()
    for (const each of this.processes) {
      each.resume()
      each.start()
    }
  }

  /** Ends everything; the folder stays. Idempotent. */
  async destroy(): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    for (const timer of this.#restarts) clearTimeout(timer)
    await Promise.all(this.processes.map(each => each.kill()))
    this.#inspector.close()
    await this.network.close()
    this.smallDisk?.disk.unmount()
  }

  /** Starts it again, as a supervisor would. */
  #endedByItself(end: ProcessEnd): void {
    if (!end.isExpected) this.unexpectedEnds.push(end)
    const ended = this.processes.find(({ name }) => name === end.name)!
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      if (!this.#isEnding) ended.start()
    }, RESTART_AFTER_MS)
    this.#restarts.add(timer)
  }
}
