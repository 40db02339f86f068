/**
 * One replica as a process hosts it: its log, projection and state machine behind the calls that services make.
 */
import { VarveError } from '../client/errors.js'
import { frameKind } from '../client/session-frame.js'
import type {
  Digest,
  ReadBaseResponse,
  ReadLogRequest,
  ReadLogResponse,
  ReadOrphansRequest,
  ReadOrphansResponse,
  ReadRecordsRequest,
  ReadRecordsResponse,
  ReplicaStatus,
  ResubmitRequest,
  ResubmitResponse,
} from '../generated/varve/v1/cluster.js'
import {
  Consistency,
  type ScanItem as ScanItemMessage,
  type ScanRequest,
  type ScanResponse,
  type WatchRequest,
  type WatchResponse,
} from '../generated/varve/v1/kv.js'
import type { ReplicaHeartbeat, ReplicaSummary } from '../generated/varve/v1/replication.js'
import type { BlobStore } from '../log/blob-store.js'
import { type Entry, indexOf } from '../log/entry.js'
import { type Horizon, horizonText } from '../log/horizon.js'
import type { Log } from '../log/log.js'
import { horizonOf } from '../log/log-base.js'
import type { StampClock } from '../log/stamp.js'
import { isSystemKey, isSystemPrefix, type RangeOfKeys, visibleRanges } from '../log/system-key.js'
import type { ScanItem, StateView } from '../projection/scan.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { TimeTravel } from '../projection/time-travel.js'
import { watchFromHorizon } from '../projection/watch-snapshot.js'
import type { ReplicaDriver, ReplicaListener } from '../replication/replica-driver.js'
import { Closing } from './closing.js'
import { CommitWaits } from './commit-waits.js'
import { entryMessage, positionMessage } from './entry-message.js'
import { HeadPipeline } from './head-pipeline.js'
import type { ReplySink, ShardHost } from './node-host.js'
import { readOrphans } from './orphans.js'
import { PastReads } from './past-reads.js'
import { ReadPath } from './read-path.js'
import { readBase, readRecords } from './record-streams.js'
import { Resubmitter } from './resubmit.js'
import { SCAN_ITEMS_DEFAULT, SCAN_ITEMS_MAX, SCAN_SIZE_BYTES_TARGET } from './scan-limits.js'
import { WriteAnswers } from './write-answers.js'

/** With more new keys than this they are brought in order in slices before a scan. */
const UNORDERED_KEYS_MAX = 100_000

export interface ReplicaHostOptions {
  readonly address: string
  readonly ordinal: number
  readonly name: string
  readonly shardCount: number
  readonly log: Log
  readonly projection: ShardProjection
  /** The past of the same projection. */
  readonly timeTravel: TimeTravel
  readonly blobs: BlobStore
  readonly driver: ReplicaDriver
  readonly clock: StampClock
  /** 'strong' or 'weak': what a request gets that asks for neither. */
  readonly defaultConsistency: () => string
  readonly oldestUnsyncedMs: () => number
  /** Why the disk takes no more, in words; undefined while it does. */
  readonly diskRefusal: () => string | undefined
  /** Address of the shard's head as far as this process knows; '' where it does not. */
  readonly headHint: () => string
}

export class ReplicaHost implements ShardHost, ReplicaListener {
  readonly ordinal: number
  readonly name: string
  readonly past: PastReads
  readonly #options: ReplicaHostOptions
  readonly #answers: WriteAnswers
  readonly #pipeline: HeadPipeline
  readonly #reads: ReadPath
  readonly #resubmitter: Resubmitter
  readonly #waits: CommitWaits

  constructor(options: ReplicaHostOptions) {
    this.#options = options
    const { ordinal, name, driver, log, clock, headHint } = options
    this.ordinal = ordinal
    this.name = name
    this.#answers = new WriteAnswers({
      ordinal,
      name,
      log,
      entries: options.projection,
      clock,
      headHint,
      commitIndex: () => driver.replica.commitIndex,
      epoch: () => driver.replica.epoch,
    })
    this.#pipeline = new HeadPipeline({ ...options, answers: this.#answers })
    this.#reads = new ReadPath(options)
    this.#waits = new CommitWaits(name)
    const closing = new Closing({
      ...options,
      waits: this.#waits,
      barrier: () => this.#reads.barrier(),
      appendNoop: () => this.#pipeline.appendNoop(),
    })
    this.past = new PastReads({ ...options, closing, waits: this.#waits })
    this.#resubmitter = new Resubmitter({ ...options, host: this, barrier: () => this.#reads.barrier() })
    driver.listen(this)
  }

  // -- what services ask

  handleFrame(frame: Buffer, sink: ReplySink): void {
    if (frameKind(frame) === 1) this.#pipeline.submit(frame, sink)
    else this.#reads.submit(frame, sink)
  }

  async scan(request: ScanRequest, signal: AbortSignal): Promise<ScanResponse> {
    const strong = this.#isStrong(request.context?.consistency)
    if (strong) await this.#reads.barrier()
    else this.#checkToken(request)
    const { projection, address } = this.#options
    const limit = request.limit === 0 ? SCAN_ITEMS_DEFAULT : Math.min(request.limit, SCAN_ITEMS_MAX)
    if (projection.unorderedCount > UNORDERED_KEYS_MAX) await projection.orderKeys()
    const parts = visibleRanges(request)
    if (request.reverse) parts.reverse()
    let { start, end } = parts.shift()!
    for (;;) {
      const page = projection.scan({
        start,
        end: end.length === 0 ? undefined : end,
        limit,
        reverse: request.reverse,
        view: strong ? 'committed' : 'newest',
        sizeBytesMax: SCAN_SIZE_BYTES_TARGET,
        keysOnly: request.keysOnly,
      })
      while (page.next === undefined && parts.length > 0 && this.#isEmpty(parts[0]!)) parts.shift()
      const isLast = page.next === undefined && parts.length === 0
      if (page.items.length > 0 || isLast) {
        const items = page.items.map(item => this.#scanItem(item, strong ? 'committed' : 'newest'))
        return {
          items,
          more: !isLast,
          appliedIndex: projection.appliedIndex,
          node: address,
          cuts: [],
        }
      }
      if (page.next === undefined) ({ start, end } = parts.shift()!)
      else if (request.reverse) end = page.next
      else start = page.next
      // Only deleted keys so far: let others have their turn before looking further.
      await new Promise(resolve => setImmediate(resolve))
      if (signal.aborted) throw new VarveError('CANCELLED', 'the scan was cancelled')
    }
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchResponse> {
    const { projection, driver, timeTravel } = this.#options
    const from = request.fromIndex === 0 ? projection.committedIndex + 1 : request.fromIndex
    // At once, so that a watcher knows where it stands before anything happens.
    yield { entries: [], throughIndex: from - 1, epoch: driver.replica.epoch, snapshotIndex: 0 }
    const { prefix, tentative, snapshot } = request
    const watched = watchFromHorizon(projection, timeTravel, from, { prefix, tentative, snapshot, signal })
    const isVisible = isSystemPrefix(request.prefix) ? () => true : ({ key }: Entry) => !isSystemKey(key)
    try {
      for await (const { entries, throughIndex, committedIndex, snapshotIndex } of watched) {
        const messages = entries
          .filter(isVisible)
          .map(entry => entryMessage(this.name, entry, committedIndex))
        yield { entries: messages, throughIndex, epoch: driver.replica.epoch, snapshotIndex }
      }
    } catch (error) {
      throw this.#outOfRetention(error)
    }
  }

  async *readLog(request: ReadLogRequest, signal: AbortSignal): AsyncIterable<ReadLogResponse> {
    const { log, driver } = this.#options
    const from = request.fromIndex === 0 ? log.baseIndex + 1 : request.fromIndex
    const to = request.toIndex === 0 ? log.lastIndex : Math.min(request.toIndex, log.lastIndex)
    if (from > to) return
    try {
      for await (const record of log.records(from, to)) {
        if (signal.aborted) return
        const entries = []
        const commitIndex = driver.replica.commitIndex
        for (let slot = 0; slot < record.count; slot += 1) {
          const index = record.firstIndex + slot
          if (index >= from && index <= to)
            entries.push(entryMessage(this.name, record.entry(slot), commitIndex))
        }
        yield { entries, recordBytes: record.sizeBytes }
      }
    } catch (error) {
      throw this.#outOfRetention(error)
    }
  }

  readRecords(request: ReadRecordsRequest, signal: AbortSignal): AsyncIterable<ReadRecordsResponse> {
    return readRecords(this.#recordStreams(), request, signal)
  }

  readBase(signal: AbortSignal): AsyncIterable<ReadBaseResponse> {
    return readBase(this.#recordStreams(), signal)
  }

  readOrphans(_request: ReadOrphansRequest, signal: AbortSignal): AsyncIterable<ReadOrphansResponse> {
    return readOrphans(this.name, this.#options.log, signal)
  }

  resubmit(request: ResubmitRequest): Promise<ResubmitResponse> {
    return this.#resubmitter.resubmit(request)
  }

  async digest(): Promise<Digest> {
    const { projection, log, driver, address } = this.#options
    const { state, keys, liveKeys, commitIndex } = await projection.digest()
    const { epoch } = driver.replica
    return {
      shard: this.name,
      node: address,
      commitIndex,
      lastIndex: log.lastIndex,
      state,
      keys,
      liveKeys,
      epoch,
    }
  }

  status(): ReplicaStatus {
    const { log, driver, projection } = this.#options
    return {
      ordinal: this.ordinal,
      shard: this.name,
      epoch: driver.replica.epoch,
      role: driver.replica.role,
      lastIndex: log.lastIndex,
      durableIndex: log.durableIndex,
      commitIndex: driver.replica.commitIndex,
      appliedIndex: projection.appliedIndex,
      keys: projection.keyCount,
      lastStamp: { ...log.lastStamp },
      logId: log.logId,
      lastHash: log.lastHash,
      baseIndex: log.baseIndex,
      baseWrittenMs: log.base?.writtenMs ?? 0,
    }
  }

  // -- what the coordinator hears

  summary(): ReplicaSummary {
    return this.#options.driver.replica.summary()
  }

  heartbeat(): ReplicaHeartbeat {
    const { replica } = this.#options.driver
    return {
      shard: this.ordinal,
      epoch: replica.epoch,
      reportedIndex: replica.reportedIndex ?? 0,
      commitIndex: replica.commitIndex,
      oldestUnsyncedMs: Math.round(this.#options.oldestUnsyncedMs()),
      active: replica.isActive,
      learner: replica.isLearner,
      lastIndex: this.#options.log.lastIndex,
      drained: replica.isDrained,
      baseReceivedBytes: replica.baseProgress.receivedBytes,
      baseTotalBytes: replica.baseProgress.totalBytes,
    }
  }

  // -- what the state machine tells

  onCommit(index: number): void {
    this.#pipeline.onCommit(index)
    this.#answers.onCommit(index)
    this.#waits.onCommit(index)
  }

  onDurable(index: number): void {
    this.#answers.onDurable(index)
  }

  onChange(): void {
    this.#waits.wakeAll()
    if (!this.#options.driver.replica.isHead) this.#answers.abandon(`${this.name}: the epoch is over`)
  }

  onReadReady(ticket: number): void {
    this.#reads.onReadReady(ticket)
  }

  onReadRefused(ticket: number, reason: string): void {
    this.#reads.onReadRefused(ticket, reason)
  }

  /** Whether no key lies there at all. */
  #isEmpty({ start, end }: RangeOfKeys): boolean {
    const range = { start, end: end.length === 0 ? undefined : end }
    const options = { ...range, limit: 1, view: 'newest', sizeBytesMax: 1, keysOnly: true } as const
    const { items, next } = this.#options.projection.scan(options)
    return items.length === 0 && next === undefined
  }

  #recordStreams() {
    const { name, log, blobs, driver } = this.#options
    return { name, log, blobs, commitIndex: () => driver.replica.commitIndex }
  }

  /** What retention dropped is no fault of the node: whoever asks for it is told where the log begins. */
  #outOfRetention(error: unknown): unknown {
    const { code, horizon } = (error ?? {}) as { code?: unknown; horizon?: Horizon }
    if (code !== 'OUT_OF_RETENTION' && code !== 'LOG_OUT_OF_RETENTION') return error
    const text = horizonText(this.name, horizon ?? horizonOf(this.#options.log))
    return new VarveError('OUT_OF_RETENTION', text)
  }

  #isStrong(consistency: Consistency | undefined): boolean {
    if (consistency === undefined || consistency === Consistency.UNSPECIFIED) {
      return this.#options.defaultConsistency() === 'strong'
    }
    return consistency === Consistency.STRONG
  }

  /** A session's scan is refused where the replica has not seen what the session has. */
  #checkToken({ context }: ScanRequest): void {
    if (context?.consistency !== Consistency.SESSION) return
    const part = context.token?.parts.find(({ shard }) => shard === this.name)
    const failure = part === undefined ? undefined : this.#reads.tokenFailure(part.index, part.epoch)
    if (failure !== undefined) throw failure
  }

  #scanItem({ key, position, entry }: ScanItem, view: StateView): ScanItemMessage {
    const index = indexOf(position)
    const committed = view === 'committed' || index <= this.#options.driver.replica.commitIndex
    const { epoch = 0, lamport = 0, wallMs = 0, value = Buffer.alloc(0) } = entry ?? {}
    return { key, value, position: positionMessage(this.name, { epoch, index, lamport, wallMs }, committed) }
  }
}
