/**
 * A node: one log store, and for each shard that it holds a replica with its projection, all stepped by this process.
 * Opening verifies the logs and rebuilds the projections; the coordinator then seals, configures and activates.
 */
import type { NodeStatus } from '../generated/varve/v1/cluster.js'
import type { Envelope } from '../generated/varve/v1/replication.js'
import { markCommitted } from '../log/commit-mark.js'
import { reasonOf } from '../log/errors.js'
import type { LogStore } from '../log/log.js'
import type { Logger } from '../log/logger.js'
import { newestCheckpointIndex, openProjection } from '../projection/checkpoint.js'
import { TimeTravel } from '../projection/time-travel.js'
import { ReplicaDriver } from '../replication/replica-driver.js'
import type { Transport } from '../replication/transport.js'
import { Checkpointer } from './checkpointer.js'
import { noteDamage, openLogStore } from './damaged-folder.js'
import { DiskSpace } from './disk-space.js'
import { HostBase } from './host-base.js'
import { LogBaseKeeper } from './log-base-keeper.js'
import type { NodeHost, ShardHost } from './node-host.js'
import { processStatus } from './process-status.js'
import { Registration } from './registration.js'
import { RetentionKeeper } from './retention-keeper.js'
import { ReplicaHost } from './shard-host.js'

/** Time between two ticks of the replicas' state machines, ms. */
export const REPLICA_TICK_MS = 50

/** Name of the fact (`LogStore.getMeta`) that says whose cluster a node's folder belongs to. */
export const CLUSTER_ID_META = 'clusterId'

/** A shard of the cluster. */
export interface HostedShard {
  readonly ordinal: number
  readonly name: string
}

export interface StorageNodeOptions {
  readonly address: string
  readonly coordinator: string
  readonly dataDir: string
  /** All shards of the cluster. */
  readonly shards: readonly HostedShard[]
  /** Ordinals of those that this node holds from the beginning, as the configuration file says. */
  readonly hosted: readonly number[]
  readonly transport: (incarnation: number) => Transport
  readonly logger: Logger
  readonly version: string
  /** The node cannot go on: end the process, which comes back by verifying its log. */
  readonly onFatal: (message: string) => void
}

export class StorageNode extends HostBase implements NodeHost {
  readonly address: string
  readonly transport: Transport
  readonly #options: StorageNodeOptions
  readonly #store: LogStore
  readonly #replicas = new Map<number, ReplicaHost>()
  readonly #drivers = new Map<number, ReplicaDriver>()
  readonly #registration: Registration
  readonly #checkpointer: Checkpointer
  readonly #retention: RetentionKeeper
  readonly #disk: DiskSpace
  readonly #timers: NodeJS.Timeout[] = []
  /** Shards whose replicas are being opened. */
  readonly #opening = new Set<number>()
  #isStopped = false

  /** Opens the data folder and rebuilds the projections. Rejects with `LogError`. */
  static async open(options: StorageNodeOptions): Promise<StorageNode> {
    const { dataDir, hosted, logger } = options
    const store = await openLogStore({
      dir: dataDir,
      logger,
      verifyFrom: newestCheckpointIndex,
      carried: [CLUSTER_ID_META],
    })
    const node = new StorageNode(options, store)
    for (const ordinal of new Set([...hosted, ...store.shards()])) await node.#openReplica(ordinal)
    await node.#disk.start()
    return node
  }

  private constructor(options: StorageNodeOptions, store: LogStore) {
    super()
    this.#options = options
    this.#store = store
    this.address = options.address
    this.transport = options.transport(this.incarnation)
    this.#registration = new Registration({
      address: this.address,
      incarnation: this.incarnation,
      coordinator: options.coordinator,
      version: options.version,
      transport: this.transport,
      clock: this.clock,
      clusterId: () => this.clusterId,
      summaries: () => [...this.#replicas.values()].map(replica => replica.summary()),
      heartbeats: () => [...this.#replicas.values()].map(replica => replica.heartbeat()),
      onMap: map => this.map.set(map),
      logger: options.logger,
    })
    this.#disk = new DiskSpace(options.dataDir, options.logger)
    this.#checkpointer = new Checkpointer(store.blobs, options.logger)
    this.#retention = new RetentionKeeper({ blobs: store.blobs, logger: options.logger, now: Date.now })
    store.onPoison(error => this.#fatal(error.message))
  }

  /** Begins to listen to peers, to tick and to register. Call once the server is bound. */
  start(): void {
    this.transport.onMessage(envelope => this.#guard(() => this.#message(envelope)))
    this.transport.onLinkDown(address => this.#guard(() => this.#linkDown(address)))
    this.#timers.push(setInterval(() => this.#guard(() => this.#tick()), REPLICA_TICK_MS))
    this.#registration.start()
    this.#checkpointer.start()
    this.#retention.start()
  }

  /** Takes nothing more, makes everything durable and tells the coordinator: it need not wait for silence. */
  async sayGoodbye(): Promise<void> {
    if (this.#isStopped) return
    this.#halt()
    await this.#store.flush()
    this.#registration.sayGoodbye()
  }

  /** Stops stepping, makes everything durable and closes the data folder. */
  async stop(): Promise<void> {
    this.#halt()
    await this.#checkpointer.finish()
    if (this.#store.poisoned === undefined) this.#markCommitted()
    await this.#store.close()
  }

  get clusterId(): string {
    return this.#store.getMeta(CLUSTER_ID_META)?.toString() ?? ''
  }

  shard(ordinal: number): ShardHost | undefined {
    return this.#replicas.get(ordinal)
  }

  status(): NodeStatus {
    return {
      ...processStatus(this, 'node', this.#options.version, this.#options.dataDir),
      replicas: [...this.#replicas.values()].map(replica => replica.status()),
    }
  }

  async #openReplica(ordinal: number): Promise<void> {
    const { address, coordinator, logger, shards } = this.#options
    const name = shards.find(shard => shard.ordinal === ordinal)?.name ?? `shard_${ordinal}`
    const log = this.#store.log(ordinal)
    const projection = await openProjection({ log, blobs: this.#store.blobs, logger })
    this.#checkpointer.add({ log, projection })
    const bases = new LogBaseKeeper({
      log,
      projection,
      blobs: this.#store.blobs,
      logger,
      onFailed: error => this.#fatal(reasonOf(error)),
    })
    const driver = new ReplicaDriver({
      shard: ordinal,
      bases,
      address,
      incarnation: this.incarnation,
      coordinator,
      log,
      projector: projection,
      clock: this.clock,
      transport: this.transport,
      logger,
      clusterId: () => this.clusterId,
      onAlarm: message => this.#fatal(message),
    })
    this.#retention.add({
      ordinal,
      shardCount: shards.length,
      log,
      projection,
      trimmableIndex: () => driver.replica.trimmableIndex,
    })
    this.#drivers.set(ordinal, driver)
    const replica = new ReplicaHost({
      address,
      ordinal,
      name,
      shardCount: shards.length,
      log,
      projection,
      timeTravel: new TimeTravel(projection, { log, blobs: this.#store.blobs, logger }),
      blobs: this.#store.blobs,
      driver,
      clock: this.clock,
      defaultConsistency: () => this.map.current?.defaultConsistency ?? 'strong',
      diskRefusal: () => this.#disk.refusal,
      oldestUnsyncedMs: () => this.#store.oldestUnsyncedMs,
      headHint: () => this.map.current?.shards[ordinal]?.head ?? '',
    })
    this.#replicas.set(ordinal, replica)
  }

  #message(envelope: Envelope): void {
    if (!this.#isOfThisCluster(envelope)) return
    this.clock.observe(envelope.stamp?.lamport ?? 0)
    if (envelope.from === this.#options.coordinator && this.#registration.message(envelope)) return
    const driver = this.#drivers.get(envelope.shard)
    if (driver !== undefined) driver.message(envelope)
    else if (envelope.from === this.#options.coordinator) this.#host(envelope)
  }

  /** The coordinator wants a replica of a shard here that this node does not hold. What it says is said again. */
  #host({ body, shard }: Envelope): void {
    if (body?.$case !== 'configure' && body?.$case !== 'learn') return
    if (this.#opening.has(shard)) return
    this.#opening.add(shard)
    this.#options.logger.info({ shard }, 'a replica of another shard comes to this node')
    this.#openReplica(shard).then(
      () => this.#opening.delete(shard),
      error => this.#fatal(error instanceof Error ? error.message : String(error)),
    )
  }

  /** The coordinator names the cluster once; after that, whoever is of another one is not listened to. */
  #isOfThisCluster({ from, clusterId }: Envelope): boolean {
    const own = this.clusterId
    if (clusterId === own || clusterId === '') return true
    const { coordinator, dataDir, logger } = this.#options
    if (from !== coordinator) {
      logger.warn({ from, clusterId, own }, 'message from another cluster dropped')
      return false
    }
    if (own === '') {
      this.#store.setMeta(CLUSTER_ID_META, Buffer.from(clusterId))
      return true
    }
    this.#fatal(
      `${dataDir} holds data of cluster ${own}, but the coordinator ${coordinator} is of cluster ${clusterId}: ` +
        'use the data folder that belongs to it, or an empty one',
    )
    return false
  }

  #linkDown(address: string): void {
    if (address !== this.#options.coordinator) this.#registration.suspect(address)
    for (const driver of this.#drivers.values()) driver.linkDown(address)
  }

  #tick(): void {
    for (const driver of this.#drivers.values()) driver.tick()
    this.#registration.tick()
  }

  /** An error in a step means that memory and log may disagree: nothing may go on from there. */
  #guard(step: () => void): void {
    if (this.#isStopped) return
    try {
      step()
    } catch (error) {
      noteDamage(this.#options.dataDir, error)
      this.#fatal(error instanceof Error ? error.message : String(error))
    }
  }

  #fatal(message: string): void {
    if (this.#isStopped) return
    this.#halt()
    this.#options.onFatal(message)
  }

  /** For whoever opens the folder while nobody runs: no later record will say it. */
  #markCommitted(): void {
    for (const [ordinal, { replica }] of this.#drivers) {
      markCommitted(this.#store, this.#store.log(ordinal), replica.commitIndex)
    }
  }

  #halt(): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#registration.stop()
    void this.#checkpointer.stop()
    this.#retention.stop()
    this.#disk.stop()
    for (const driver of this.#drivers.values()) driver.stop()
  }
}
