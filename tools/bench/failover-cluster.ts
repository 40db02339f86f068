/** A cluster of processes that are killed, stopped and started one by one. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Inspector } from '../../src/client/inspector.js'
import type { Shard } from '../../src/generated/varve/v1/cluster.js'
import { makeLocalConfig, serializeClusterConfig, type TopologyName } from '../../src/node/cluster-config.js'
import { unavailable } from '../exit-codes.js'
import { clusterProcesses, type ProcessSpec } from '../local/cluster-processes.js'
import { DataFolder, nodeName } from '../local/data-folder.js'
import { freePorts } from '../local/free-ports.js'
import type { Cleanup } from './cleanup.js'
import { profileArguments } from './node-arguments.js'

const WHOLE_TIMEOUT_MS = 120_000
const POLL_MS = 20
const INVITE_EVERY_MS = 250

export interface FailoverShape {
  readonly cleanup: Cleanup
  readonly topology: TopologyName
  readonly replicas: number
  /** Of its folder, and of its profiles; the topology's where none is given. */
  readonly name?: string
  /** Where every process leaves a CPU profile when it ends in order. */
  readonly profile?: string | undefined
  /** Time between two looks at the shard map; every look costs a little of what is measured. Default 20. */
  readonly pollMs?: number
}

/** One shard; a process at each address, none of which is started again by itself. */
export class FailoverCluster {
  readonly #shape: FailoverShape
  readonly #folder: DataFolder
  readonly #specs: readonly ProcessSpec[]
  readonly #children = new Map<string, ChildProcess>()
  readonly #inspector = new Inspector({ timeoutMs: 2_000 })
  readonly #forget: () => void

  /** Starts all processes and resolves when the shard has all of its members. */
  static async start(shape: FailoverShape): Promise<FailoverCluster> {
    const { replicas, topology } = shape
    const basePort = await freePorts(replicas + 1)
    const config = makeLocalConfig({ shards: 1, replicas, topology, basePort })
    const folder = new DataFolder(join(shape.cleanup.folder, shape.name ?? topology))
    folder.create(serializeClusterConfig(config))
    const cluster = new FailoverCluster(shape, folder, clusterProcesses(folder, config))
    try {
      for (const { address } of cluster.#specs) cluster.start(address)
      await cluster.whole()
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  private constructor(shape: FailoverShape, folder: DataFolder, specs: ProcessSpec[]) {
    this.#shape = shape
    this.#folder = folder
    this.#specs = specs
    this.#forget = shape.cleanup.onExit(() => this.#signalAll('SIGKILL'))
  }

  /** Addresses of the nodes. */
  get endpoints(): string[] {
    return this.#specs.filter(({ role }) => role === 'node').map(({ address }) => address)
  }

  /** The folder with all of its data. */
  get path(): string {
    return this.#folder.path
  }

  start(address: string): void {
    const spec = this.#specs.find(each => each.address === address)!
    const { profile, name, topology } = this.#shape
    const args = [...profileArguments(profile, `${name ?? topology}-${spec.name}`), ...spec.args]
    const log = openSync(this.#folder.logFile(spec.name), 'a')
    this.#children.set(address, spawn(process.execPath, args, { stdio: ['ignore', log, log] }))
    closeSync(log)
  }

  /** Removes all that the node at that address holds; its process is gone. */
  forgetData(address: string): void {
    rmSync(this.#folder.nodeDir(nodeName(address)), { recursive: true, force: true })
  }

  /** Sends a signal to the process at that address. */
  signal(address: string, signal: NodeJS.Signals): void {
    this.#children.get(address)!.kill(signal)
  }

  /** Resolves when the process at that address is gone. */
  async gone(address: string): Promise<void> {
    const child = this.#children.get(address)!
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  /**
   * Resolves with the shard as soon as all of its replicas are members. The one that returns is invited: left to itself it
   * waits the longer, the more often it failed of late.
   */
  whole(returning?: string): Promise<Shard> {
    const { replicas } = this.#shape
    const isWhole = ({ status, members }: Shard) => status === 'ACTIVE' && members.length === replicas
    return this.until('all of its members', isWhole, returning)
  }

  /** Resolves with the shard as soon as it is so; `what` says in words what is waited for. */
  async until(what: string, isSo: (shard: Shard) => boolean, returning?: string): Promise<Shard> {
    const deadline = performance.now() + WHOLE_TIMEOUT_MS
    let inviteAt = 0
    for (;;) {
      const shard = await this.#shard()
      if (shard !== undefined && isSo(shard)) return shard
      if (shard !== undefined && returning !== undefined && performance.now() >= inviteAt) {
        inviteAt = performance.now() + INVITE_EVERY_MS
        await this.#invite(shard, returning)
      }
      if (performance.now() > deadline) {
        const members = shard?.members.map(({ address }) => address).join(', ') ?? 'unknown'
        const waits = `status ${shard?.status ?? 'unknown'}, members ${members} ${shard?.waitingFor ?? ''}`
        throw unavailable(`after ${WHOLE_TIMEOUT_MS / 1_000} s a shard has not ${what}: ${waits}`)
      }
      await delay(this.#shape.pollMs ?? POLL_MS)
    }
  }

  /** Resolves when all members hold the same committed state; nothing is written meanwhile. */
  async alike(): Promise<void> {
    const { name, members } = await this.whole()
    const deadline = performance.now() + WHOLE_TIMEOUT_MS
    for (;;) {
      // Of many keys a digest takes its time, the first one above all: who does not answer in time is asked again.
      const asked = members.map(({ address }) => this.#inspector.digest(address, name).catch(() => undefined))
      const digests = await Promise.all(asked)
      const [first] = digests
      const isAlike = digests.every(digest => {
        return digest?.commitIndex === first?.lastIndex && digest?.state.equals(first!.state)
      })
      if (isAlike) return
      if (performance.now() > deadline) throw unavailable(`the members of ${name} do not hold the same`)
      await delay(POLL_MS)
    }
  }

  /** Ends everything. Idempotent. */
  async stop(): Promise<void> {
    const isProfiled = this.#shape.profile !== undefined
    this.#signalAll(isProfiled ? 'SIGTERM' : 'SIGKILL')
    await Promise.all([...this.#children.keys()].map(address => this.gone(address)))
    this.#inspector.close()
    this.#forget()
  }

  /** Does nothing where it is on its way, or not up yet. */
  async #invite({ name, members, learners }: Shard, address: string): Promise<void> {
    if ([...members, ...learners].some(each => each.address === address)) return
    await this.#inspector.join(this.#specs[0]!.address, { address, shard: name }).catch(() => {})
  }

  /** Undefined where the coordinator does not answer (yet). */
  async #shard(): Promise<Shard | undefined> {
    const [coordinator] = this.#specs
    return await this.#inspector.shardMap(coordinator!.address).then(
      map => map.shards[0],
      () => undefined,
    )
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const child of this.#children.values()) child.kill(signal)
  }
}
