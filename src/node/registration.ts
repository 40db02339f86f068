/**
 * A node's standing with the coordinator: it registers with what it holds, then beats; when the coordinator does not
 * know it (any more), it registers again. It registers twice: the coordinator takes in only whom its answer reached, so
 * that of two processes that claim one address only the one that is really there counts.
 */
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type {
  Envelope,
  HeartbeatAnswer,
  ReplicaHeartbeat,
  ReplicaSummary,
} from '../generated/varve/v1/replication.js'
import type { Logger } from '../log/logger.js'
import type { StampClock } from '../log/stamp.js'
import type { Body } from '../replication/effects.js'
import type { Transport } from '../replication/transport.js'

/**
 * Ticks of the node (50 ms) between two heartbeats, or two tries to register. They come with a tick: of many processes on a
 * machine that have nothing else to do each wake-up costs more than what is done then.
 */
const BEAT_EVERY_TICKS = 2

/** Tries to register without an answer after which the log says so, and says so again after as many more. */
const UNANSWERED_TRIES = 50

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
  readonly logger: Logger
}

export class Registration {
  readonly #options: RegistrationOptions
  #isOn = false
  #ticks = 0
  #isKnown = false
  #tries = 0
  #clockAheadMs = 0
  #mapRevision = 0

  constructor(options: RegistrationOptions) {
    this.#options = options
  }

  /** Registers at once; from then on `tick` goes on with it. */
  start(): void {
    this.#isOn = true
    this.#beat()
  }

  /** A tick of the node has passed. */
  tick(): void {
    this.#ticks += 1
    if (this.#isOn && this.#ticks % BEAT_EVERY_TICKS === 0) this.#beat()
  }

  stop(): void {
    this.#isOn = false
  }

  /** True if the message was for this part of the process. */
  message({ body }: Envelope): boolean {
    if (body?.$case === 'heartbeatAnswer') {
      this.#onAnswer(body.value)
      return true
    }
    if (body?.$case === 'probe') {
      if (this.#isKnown) this.#beat()
      return true
    }
    if (body?.$case !== 'shardMap') return false
    this.#mapRevision = body.value.revision
    this.#options.onMap(body.value)
    return true
  }

  /** This process ends in order: nobody needs to wait for its silence. */
  sayGoodbye(): void {
    this.stop()
    if (this.#isKnown) this.#send({ $case: 'goodbye', value: {} })
  }

  /** Another process cannot be reached: the coordinator may find out sooner than by waiting. */
  suspect(address: string): void {
    if (this.#isKnown) this.#send({ $case: 'suspect', value: { address } })
  }

  #onAnswer({ known, incarnation, clockAheadMs }: HeartbeatAnswer): void {
    const { logger, address } = this.#options
    if (incarnation !== this.#options.incarnation) {
      // Of a process that died, or of one that claims this address and is not here.
      logger.debug({ address, incarnation }, 'an answer to another process at this address')
      return
    }
    this.#tries = 0
    this.#isKnown = known
    if (!known) this.#register(true)
    if (clockAheadMs > 0 && this.#clockAheadMs === 0) {
      logger.warn(
        { clockAheadMs },
        'this clock is ahead of the other nodes: set it; until then this node leads no shard',
      )
    }
    this.#clockAheadMs = clockAheadMs
  }

  #register(confirmed: boolean): void {
    const { summaries, version } = this.#options
    this.#send({ $case: 'register', value: { replicas: summaries(), version, confirmed } })
  }

  #beat(): void {
    const { heartbeats, logger, coordinator, address } = this.#options
    if (!this.#isKnown) {
      this.#tries += 1
      if (this.#tries % UNANSWERED_TRIES === 0) {
        const what =
          'no answer from the coordinator: it is down, or it does not find this process at its address'
        logger.warn({ coordinator, address }, what)
      }
      return this.#register(false)
    }
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
