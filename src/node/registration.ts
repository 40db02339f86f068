/**
 * A node's standing with the coordinator: it registers with what it holds, then beats; when the coordinator does not
 * know it (any more), it registers again. The coordinator's answers bring the cluster's identity and the shard map.
 */
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { Envelope, ReplicaHeartbeat, ReplicaSummary } from '../generated/varve/v1/replication.js'
import type { StampClock } from '../log/stamp.js'
import type { Body } from '../replication/effects.js'
import type { Transport } from '../replication/transport.js'

/** Time between two heartbeats, or two tries to register, ms. */
export const HEARTBEAT_MS = 100

export interface RegistrationOptions {
  readonly address: string
  readonly incarnation: number
  readonly coordinator: string
  readonly version: string
  readonly transport: Transport
  readonly clock: StampClock
  readonly clusterId: () => string
  readonly summaries: () => ReplicaSummary[]
  readonly heartbeats: () => ReplicaHeartbeat[]
  readonly onMap: (map: ShardMap) => void
}

export class Registration {
  readonly #options: RegistrationOptions
  #timer: NodeJS.Timeout | undefined
  #isKnown = false
  #mapRevision = 0

  constructor(options: RegistrationOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS)
    this.#beat()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** True if the message was for this part of the process. */
  message({ body }: Envelope): boolean {
    if (body?.$case === 'heartbeatAnswer') {
      const wasKnown = this.#isKnown
      this.#isKnown = body.value.known
      if (wasKnown && !this.#isKnown) this.#beat()
      return true
    }
    if (body?.$case !== 'shardMap') return false
    this.#mapRevision = body.value.revision
    this.#options.onMap(body.value)
    return true
  }

  #beat(): void {
    const { summaries, heartbeats, version } = this.#options
    if (!this.#isKnown)
      return this.#send({ $case: 'register', value: { replicas: summaries(), version, confirmed: true } })
    this.#send({
      $case: 'heartbeat',
      value: { replicas: heartbeats(), mapRevision: this.#mapRevision, wallMs: Date.now() },
    })
  }

  #send(body: Body): void {
    const { address, incarnation, clusterId, clock, coordinator, transport } = this.#options
    const stamp = { lamport: clock.lamport, wallMs: 0 }
    transport.send(coordinator, {
      from: address,
      incarnation,
      clusterId: clusterId(),
      stamp,
      shard: 0,
      epoch: 0,
      body,
    })
  }
}
