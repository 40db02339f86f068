/**
 * The engine of one client: lanes of writes and groups of reads, shard by shard, over the sessions; all that was
 * issued in one turn of the event loop is sent at its end.
 */
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { Logger } from '../log/logger.js'
import { Admission } from './admission.js'
import type { Channels } from './channels.js'
import { Deadlines } from './deadlines.js'
import type { Encoding } from './encoding.js'
import { VarveError } from './errors.js'
import { ReadFrameEncoder, WriteFrameBuilder } from './frame-encoder.js'
import type { LaneHost, UnaryAnswer } from './lane-host.js'
import { type ReadFrame, ReadGroup, type ReadTarget } from './read-group.js'
import type { Session } from './session.js'
import { FrameConsistency, ResponseKind } from './session-frame.js'
import { ResponseFrameReader } from './session-frame-reader.js'
import { SessionPool } from './session-pool.js'
import { ShardMapFollower } from './shard-map.js'
import { ShardRoute } from './shard-route.js'
import { StallWatch } from './stall-watch.js'
import { TokenTracker } from './token.js'
import { sendUnaryWrite } from './unary-write.js'
import { WriteLane } from './write-lane.js'
import type { WriteOp } from './write-op.js'

/** What a client is made with. */
export interface CoreOptions {
  readonly channels: Channels
  readonly endpoints: readonly string[]
  readonly logger: Logger
  readonly actor: string
  readonly valueEncoding: Encoding
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
}

export class ClientCore implements LaneHost {
  readonly admission: Admission
  readonly tokens = new TokenTracker()
  readonly map: ShardMapFollower
  readonly channels: Channels
  readonly actor: string
  /** One for each shard, by ordinal. */
  readonly lanes: WriteLane[] = []
  readonly routes: ShardRoute[] = []
  readonly #valueEncoding: Encoding
  readonly #sessions: SessionPool
  readonly #groups = new Map<string, ReadGroup>()
  readonly #frameBuilder = new WriteFrameBuilder()
  readonly #readEncoder = new ReadFrameEncoder()
  readonly #reader = new ResponseFrameReader()
  readonly #deadlines = new Deadlines(now => this.#expire(now))
  readonly #stalls = new StallWatch(
    () => this.#oldestInFlight(),
    () => this.map.refresh(),
  )
  readonly #endpoints: ReadonlySet<string>
  #dirtyLanes: WriteLane[] = []
  #dirtyGroups: ReadGroup[] = []
  #touched = new Set<Session>()
  #flushScheduled = false
  #turnNow = 0
  #wakeTime = Infinity
  #wakeTimer: NodeJS.Timeout | undefined
  #renewing = false
  #closed = false
  readonly #closeListeners = new Set<(error: VarveError) => void>()

  constructor(options: CoreOptions) {
    this.channels = options.channels
    this.actor = options.actor
    this.admission = new Admission(options.inFlightMax, options.inFlightBytesMax)
    this.#valueEncoding = options.valueEncoding
    this.#endpoints = new Set(options.endpoints)
    this.map = new ShardMapFollower(options.channels, options.endpoints, options.logger, map =>
      this.#takeMap(map),
    )
    this.#sessions = new SessionPool(options.channels, this.tokens, options.actor, {
      answered: (session, frames) => this.#answered(session, frames),
      lost: (session, error, reads) => this.#lost(session, error, reads),
      ready: () => this.#wakeAll(),
      wakeAt: time => this.wakeAt(time),
      mapRevision: revision => {
        if (revision > (this.map.current?.revision ?? 0)) this.map.refresh()
      },
    })
  }

  /** Calls the listener when the client is closed; the function returned undoes that. */
  onClose(listener: (error: VarveError) => void): () => void {
    this.#closeListeners.add(listener)
    return () => this.#closeListeners.delete(listener)
  }

  get closed(): boolean {
    return this.#closed
  }

  get writesHeld(): boolean {
    return this.#renewing
  }

  /** Names of the shards, by ordinal. */
  get shardNames(): string[] {
    return this.routes.map(route => route.name)
  }

  /** The monotonic time, taken once a turn in which something is issued. */
  now(): number {
    if (this.#turnNow === 0) {
      this.#turnNow = performance.now()
      this.#scheduleFlush()
    }
    return this.#turnNow
  }

  /** Reads of one shard at one consistency, to the usual place or to one replica. */
  group(ordinal: number, consistency: FrameConsistency, replica: string | undefined): ReadGroup {
    if (replica !== undefined) return this.#groupOf(ordinal, consistency, { address: replica })
    return this.#groupOf(ordinal, consistency, consistency === FrameConsistency.STRONG ? 'head' : 'member')
  }

  session(address: string, now: number): Session | undefined {
    return this.#sessions.session(address, now)
  }

  touch(session: Session): void {
    this.#touched.add(session)
  }

  markLane(lane: WriteLane): void {
    if (lane.dirty) return
    lane.dirty = true
    this.#dirtyLanes.push(lane)
    this.#scheduleFlush()
  }

  markGroup(group: ReadGroup): void {
    if (group.dirty) return
    group.dirty = true
    this.#dirtyGroups.push(group)
    this.#scheduleFlush()
  }

  wakeAt(time: number): void {
    if (time >= this.#wakeTime || this.#closed) return
    this.#wakeTime = time
    clearTimeout(this.#wakeTimer)
    this.#wakeTimer = setTimeout(
      () => {
        this.#wakeTime = Infinity
        this.#wakeAll()
      },
      Math.ceil(Math.max(1, time - performance.now())),
    )
  }

  armDeadline(time: number): void {
    this.#deadlines.arm(time)
  }

  /** Calls ended without an answer: others may take their place. */
  roomMade(): void {
    this.#scheduleFlush()
  }

  refreshMap(): void {
    this.map.refresh()
  }

  decodeValue(bytes: Buffer, start: number, end: number): unknown {
    return this.#valueEncoding.decode(bytes, start, end)
  }

  renewIdentity(): void {
    this.#renewing = true
    this.#scheduleFlush()
  }

  sendUnary(ops: readonly WriteOp[], address: string, answer: UnaryAnswer): void {
    const { kv } = this.channels.peer(address)
    const clientId = this.#sessions.clientId ?? Buffer.alloc(0)
    sendUnaryWrite(kv, address, clientId, ops, this.tokens.wireToken(0, '').stamp).then(
      results => {
        answer(results)
        this.admission.admitWaiting()
      },
      error => answer.failed(error),
    )
  }

  /** Ends all calls with `error`, and all that is open. */
  close(error: VarveError): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#wakeTimer)
    this.#deadlines.close()
    this.#stalls.close()
    this.map.close()
    for (const listener of [...this.#closeListeners]) listener(error)
    for (const reads of this.#sessions.close()) for (const op of reads.ops) reads.group.abandon(op, error)
    for (const lane of this.lanes) lane.abandonAll(error)
    for (const group of this.#groups.values()) group.abandonAll(error)
    this.channels.close()
  }

  #groupOf(ordinal: number, consistency: FrameConsistency, target: ReadTarget): ReadGroup {
    const name = `${ordinal} ${consistency} ${typeof target === 'object' ? target.address : target}`
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    // Who is behind a session's token sends it to the head: nobody is further.
    const fallback =
      consistency === FrameConsistency.SESSION && target === 'member'
        ? this.#groupOf(ordinal, consistency, 'head')
        : undefined
    const group = new ReadGroup(this, this.routes[ordinal]!, consistency, target, this.#readEncoder, fallback)
    this.#groups.set(name, group)
    return group
  }

  #takeMap(map: ShardMap): void {
    for (const shard of map.shards) {
      const route = this.routes[shard.ordinal]
      if (route !== undefined) {
        route.update(shard)
        continue
      }
      this.routes[shard.ordinal] = new ShardRoute(shard)
      this.lanes[shard.ordinal] = new WriteLane(this, this.routes[shard.ordinal]!, this.#frameBuilder)
    }
    for (const lane of this.lanes) lane.mapChanged()
    for (const group of this.#groups.values()) group.mapChanged()
    this.#moveReads()
    const known = new Set(map.shards.flatMap(shard => shard.members.map(member => member.address)))
    for (const route of this.routes) if (route.head !== undefined) known.add(route.head)
    const keep = (address: string) =>
      known.has(address) || this.#endpoints.has(address) || address === map.coordinator
    this.#sessions.prune(keep)
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#closed) return
    this.#flushScheduled = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#flushScheduled = false
    this.#turnNow = 0
    if (this.#closed) return
    if (this.#renewing) this.#tryRenew()
    this.admission.admitWaiting()
    const now = performance.now()
    const lanes = this.#dirtyLanes
    const groups = this.#dirtyGroups
    this.#dirtyLanes = []
    this.#dirtyGroups = []
    for (const lane of lanes) {
      lane.dirty = false
      lane.flush(now)
    }
    for (const group of groups) {
      group.dirty = false
      group.flush(now)
    }
    if (this.#touched.size === 0) return
    for (const session of this.#touched) session.flush()
    this.#touched.clear()
    this.#stalls.arm()
  }

  /** Reads in flight at a process that is not the one to ask any more go to the one that is; it may never answer. */
  #moveReads(): void {
    for (const session of this.#sessions.sessions()) {
      for (const reads of [...session.readsInFlight()]) {
        if (!reads.group.isElsewhere(session.address)) continue
        session.forgetReads(reads)
        reads.group.again(reads)
      }
    }
  }

  *#oldestInFlight(): Iterable<readonly [queue: unknown, oldest: number]> {
    for (const lane of this.lanes) if (lane.sentCount > 0) yield [lane, lane.oldest]
    for (const session of this.#sessions.sessions()) {
      for (const { firstId } of session.readsInFlight()) {
        yield [session, firstId]
        break
      }
    }
  }

  #wakeAll(): void {
    for (const lane of this.lanes) if (lane.hasWork) this.markLane(lane)
    for (const group of this.#groups.values()) if (group.hasWork) this.markGroup(group)
  }

  #answered(session: Session, frames: readonly Buffer[]): void {
    const reader = this.#reader
    for (const frame of frames) {
      reader.reset(frame)
      this.tokens.observeLamport(reader.senderLamport)
      this.#answer(session, reader)
    }
    this.admission.admitWaiting()
    if (this.#renewing) this.#scheduleFlush()
  }

  #answer(session: Session, reader: ResponseFrameReader): void {
    const { kind, firstId, count } = reader
    const failure = kind === ResponseKind.FAILED ? reader.failure() : undefined
    if (
      kind === ResponseKind.READ_RESULTS ||
      (failure !== undefined && reader.failedOperations === 'reads')
    ) {
      const reads = session.takeReads(firstId, count)
      if (reads === undefined) return
      if (failure === undefined) reads.group.answered(reads, reader, session.address)
      else reads.group.failed(reads, firstId, count, failure, session.address)
      return
    }
    const lane = this.lanes[reader.shard]
    if (lane === undefined) {
      throw new VarveError(
        'INTERNAL',
        `${session.address} answered for shard ${reader.shard}, which is unknown`,
      )
    }
    if (failure !== undefined) lane.refused(firstId, count, failure, session)
    else if (kind === ResponseKind.WRITES_DONE) lane.done(reader)
    else lane.results(reader)
  }

  #lost(session: Session, error: VarveError, reads: readonly ReadFrame[]): void {
    for (const frame of reads)
      frame.group.failed(frame, frame.firstId, frame.ops.length, error, session.address)
    for (const lane of this.lanes) lane.sessionLost(session, error)
    for (const group of this.#groups.values()) group.sessionLost(session.address, error)
    if (this.#renewing) this.#scheduleFlush()
  }

  #expire(now: number): number {
    let earliest = Infinity
    for (const lane of this.lanes) earliest = Math.min(earliest, lane.expire(now))
    for (const group of this.#groups.values()) earliest = Math.min(earliest, group.expire(now))
    for (const session of this.#sessions.sessions()) {
      for (const reads of session.readsInFlight()) {
        earliest = Math.min(earliest, reads.group.expireAmong(reads.ops, now))
      }
    }
    this.admission.admitWaiting()
    if (this.#renewing) this.#scheduleFlush()
    return earliest
  }

  /** Once nothing is in flight under the old client id, what was certainly not done goes on under a new one. */
  #tryRenew(): void {
    if (this.lanes.some(lane => lane.sentCount > 0)) return
    this.#sessions.renew()
    const error = new VarveError(
      'SESSION_EXPIRED',
      'the shard has forgotten this client: whether an earlier attempt of the write was done cannot be told',
      { retryable: false },
    )
    for (const lane of this.lanes) lane.renumber(error)
    this.#renewing = false
  }
}
