/**
 * The coordinator's process: its state machine and store, and a host without replicas, so that every request sent to
 * it is passed on to a node.
 */
import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { NodeStatus } from '../generated/varve/v1/cluster.js'
import type { Envelope } from '../generated/varve/v1/replication.js'
import type { Logger } from '../log/logger.js'
import { CoordinatorDriver } from '../replication/coordinator-driver.js'
import type { ListedShard, MembershipStore } from '../replication/membership.js'
import { openMembershipStore } from '../replication/membership-store.js'
import type { Transport } from '../replication/transport.js'
import type { ClusterAdmin } from './cluster-admin.js'
import { CoordinatorAdmin } from './coordinator-admin.js'
import { HostBase } from './host-base.js'
import type { NodeHost, ShardHost } from './node-host.js'
import { processStatus } from './process-status.js'

/** A node that was silent for so long counts as gone, ms. */
export const HEARTBEAT_TIMEOUT_MS = 1_000

/** So many strangers are remembered by name. */
const FOREIGN_NODES_MAX = 1_000

export interface CoordinatorNodeOptions {
  readonly address: string
  readonly dataDir: string
  readonly shards: readonly ListedShard[]
  readonly defaultConsistency: 'strong' | 'weak'
  readonly transport: (incarnation: number) => Transport
  readonly logger: Logger
  readonly version: string
  readonly onFatal: (message: string) => void
}

export class CoordinatorNode extends HostBase implements NodeHost {
  readonly address: string
  readonly clusterId: string
  readonly transport: Transport
  readonly #options: CoordinatorNodeOptions
  readonly #store: MembershipStore
  readonly #driver: CoordinatorDriver
  override readonly admin: ClusterAdmin
  /** Nodes of other clusters that were turned away, by address. */
  readonly #foreign = new Map<string, string>()
  #isStopped = false

  /** Opens the membership store. Rejects with a one-line error. */
  static async open(options: CoordinatorNodeOptions): Promise<CoordinatorNode> {
    return new CoordinatorNode(options, await openMembershipStore(options.dataDir))
  }

  private constructor(options: CoordinatorNodeOptions, store: MembershipStore) {
    super()
    this.#options = options
    this.#store = store
    this.address = options.address
    this.clusterId = store.clusterId
    this.transport = options.transport(this.incarnation)
    this.#driver = new CoordinatorDriver({
      address: options.address,
      incarnation: this.incarnation,
      shards: options.shards,
      defaultConsistency: options.defaultConsistency,
      heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
      firstRevision: Date.now(),
      newLogId: () => randomBytes(16).toString('hex'),
      store,
      clock: this.clock,
      transport: this.transport,
      logger: options.logger,
      nowMs: () => performance.now(),
      onMap: map => this.map.set(map),
      onAlarm: message => this.#fatal(message),
    })
    this.admin = new CoordinatorAdmin({
      driver: this.#driver,
      shards: options.shards,
      clusterId: store.clusterId,
      foreignCluster: address => this.#foreign.get(address),
    })
  }

  /** Begins to listen and to tick. Call once the server is bound. */
  start(): void {
    this.transport.onMessage(envelope => this.#message(envelope))
    this.transport.onLinkDown(address => {
      if (!this.#isStopped) this.#driver.linkDown(address)
    })
    this.#driver.start()
  }

  async stop(): Promise<void> {
    this.#halt()
    await this.#store.close()
  }

  shard(): ShardHost | undefined {
    return undefined
  }

  status(): NodeStatus {
    return processStatus(this, 'coordinator', this.#options.version, this.#options.dataDir)
  }

  #message(envelope: Envelope): void {
    if (this.#isStopped) return
    const { from, clusterId } = envelope
    if (clusterId !== '' && clusterId !== this.clusterId) {
      this.#options.logger.warn({ from, clusterId }, 'message from a node of another cluster dropped')
      if (this.#foreign.size < FOREIGN_NODES_MAX) this.#foreign.set(from, clusterId)
      // The answer names this cluster: the node then says what is wrong and ends.
      this.#driver.introduce(from)
      return
    }
    this.clock.observe(envelope.stamp?.lamport ?? 0)
    this.#driver.message(envelope)
  }

  #fatal(message: string): void {
    if (this.#isStopped) return
    this.#halt()
    this.#options.onFatal(message)
  }

  #halt(): void {
    this.#isStopped = true
    this.#driver.stop()
  }
}
