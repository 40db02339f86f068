/**
 * Orphans are written anew at the shard's head, through the pipeline that all writes take (Requests, sessions,
 * orphans): under an id derived from what they were, and not where the log holds that or the original request. So the
 * same call may be made again, also after a failover, and nothing is written twice.
 *
 * A unit (one entry, or an atomic batch) is written as a whole or not at all. The condition of a write that had one is
 * not in the log, only that it held: it is not checked again.
 */
import { VarveError } from '../client/errors.js'
import { FrameConsistency } from '../client/session-frame.js'
import type { ResubmitRequest, ResubmitResponse, Resubmitted } from '../generated/varve/v1/cluster.js'
import type { Position } from '../generated/varve/v1/entry.js'
import { LogError } from '../log/errors.js'
import type { EpochSpan, Log } from '../log/log.js'
import { EXPIRED } from '../projection/request-table.js'
import type { ShardProjection } from '../projection/shard-projection.js'
import type { ReplicaDriver } from '../replication/replica-driver.js'
import { positionMessage } from './entry-message.js'
import { writeHere } from './local-call.js'
import type { ShardHost } from './node-host.js'
import { epochAt, findRequests, type LogSearch, type RequestOf, requestName } from './resubmit-search.js'
import { type CheckedOrphan, checkedUnits, orphanName, type ResubmitUnit } from './resubmit-units.js'

/** Calls that may wait for their turn; they are carried out one after the other. */
const CALLS_WAITING_MAX = 16
/** After this long a call answers that it does not know, ms. What it wrote stays; asking again finds out. */
const CALL_TIMEOUT_MS = 30_000

export interface ResubmitterOptions {
  readonly address: string
  readonly ordinal: number
  readonly name: string
  readonly log: Log
  readonly projection: ShardProjection
  readonly driver: ReplicaDriver
  /** Address of the shard's head as far as this process knows; '' where it does not. */
  readonly headHint: () => string
  /** Resolves when no later epoch was active; rejects where that cannot be told (R1). */
  readonly barrier: () => Promise<void>
  readonly host: ShardHost
}

export class Resubmitter {
  readonly #options: ResubmitterOptions
  #last: Promise<unknown> = Promise.resolve()
  #waitingCount = 0

  constructor(options: ResubmitterOptions) {
    this.#options = options
  }

  /**
   * Writes what is not in the log yet; the results are in the order of the entries. Rejects with `VarveError` NOT_HEAD
   * (hint: the head), INVALID_ARGUMENT, SESSION_EXPIRED, RESOURCE_EXHAUSTED or UNAVAILABLE; where the outcome is
   * `failed` nothing was written, else ask again.
   */
  async resubmit(request: ResubmitRequest): Promise<ResubmitResponse> {
    const { name, ordinal } = this.#options
    const units = checkedUnits(name, ordinal, request)
    this.#refuseUnlessHead()
    if (this.#waitingCount >= CALLS_WAITING_MAX) {
      const problem = `${name}: ${CALLS_WAITING_MAX} calls to resubmit wait already: try again`
      throw new VarveError('RESOURCE_EXHAUSTED', problem, { outcome: 'failed' })
    }
    this.#waitingCount += 1
    const turn = this.#last.then(() => this.#carryOut(units))
    this.#last = turn.catch(() => {})
    try {
      return { results: await turn }
    } finally {
      this.#waitingCount -= 1
    }
  }

  async #carryOut(units: readonly ResubmitUnit[]): Promise<Resubmitted[]> {
    this.#refuseUnlessHead()
    const { driver, log } = this.#options
    const { epoch } = driver.replica
    const search = await this.#searchForgotten(units)
    // Before the tables are believed: a head that was replaced and does not know it yet must not answer.
    await this.#options.barrier()
    this.#refuseUnlessHead()
    if (driver.replica.epoch !== epoch) throw this.#unavailable(`epoch ${epoch} ended meanwhile: try again`)
    // From here to the writes nothing is waited for, and all that can be refused is refused before any is begun.
    const { epochs } = log
    const plans = units.map(unit => ({ unit, held: this.#held(unit, search, epochs) }))
    return (await this.#write(plans)).flat()
  }

  /** Of clients that wrote much since, the table has forgotten which requests it has seen. The log has not. */
  async #searchForgotten(units: readonly ResubmitUnit[]): Promise<LogSearch> {
    const originals = units.flatMap(({ orphans }) => orphans.map(({ original }) => original))
    const forgotten = originals.filter(original => this.#lookup(original) === EXPIRED)
    try {
      return await findRequests(this.#options.log, forgotten)
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'LOG_OUT_OF_RETENTION') throw error
      throw this.#unavailable('its log was shortened while it was searched: try again')
    }
  }

  /** What the log holds of a unit already, one for each entry; undefined where it is to be written. */
  #held(
    { orphans, clientId, firstSequence }: ResubmitUnit,
    search: LogSearch,
    epochs: readonly EpochSpan[],
  ): Resubmitted[] | undefined {
    const first = orphans[0]!
    // A batch is in the log as a whole or not at all, so that any of its requests tells of all.
    for (const [at, orphan] of orphans.entries()) {
      const isItself = epochAt(epochs, orphan.index) === orphan.epoch
      const index = isItself ? orphan.index : this.#original(orphan, search)
      if (index > 0) return this.#inLog('in the log', orphans.length, index - at)
    }
    const index = this.#lookup({ clientId, sequence: firstSequence })
    if (index === EXPIRED) throw this.#expired(first, 'whether it was written anew before')
    return index > 0 ? this.#inLog('already resubmitted', orphans.length, index) : undefined
  }

  /** Index of the request's result in the log, 0 if it is not there. */
  #original(orphan: CheckedOrphan, search: LogSearch): number {
    const index = this.#lookup(orphan.original)
    if (index !== EXPIRED) return index
    const found = search.found.get(requestName(orphan.original))
    if (found === undefined) throw this.#unavailable('its clients are busy: try again')
    if (found === 0 && !search.covers(orphan.epoch)) {
      throw this.#expired(orphan, 'whether its request was carried out after all')
    }
    return found
  }

  async #write(
    plans: readonly { unit: ResubmitUnit; held: Resubmitted[] | undefined }[],
  ): Promise<Resubmitted[][]> {
    const ending = new AbortController()
    const timer = setTimeout(() => {
      const problem = `${this.#options.name}: not confirmed by its members within ${CALL_TIMEOUT_MS} ms: ask again`
      ending.abort(new VarveError('DEADLINE_EXCEEDED', problem, { outcome: 'unknown' }))
    }, CALL_TIMEOUT_MS)
    try {
      // All at once: what arrives in one turn becomes one record, in the order in which it is given.
      return await Promise.all(plans.map(({ unit, held }) => held ?? this.#writeUnit(unit, ending.signal)))
    } finally {
      clearTimeout(timer)
    }
  }

  async #writeUnit(unit: ResubmitUnit, signal: AbortSignal): Promise<Resubmitted[]> {
    const { host, name } = this.#options
    const { orphans, clientId, firstSequence, actor } = unit
    const writes = orphans.map(({ write }) => write)
    const numbers = { clientId, firstSequence, acknowledgedBelow: 0 }
    const call = { writes, ...numbers, actor, consistency: FrameConsistency.STRONG, lamport: 0 }
    const results = await writeHere(host, call, signal)
    return results.map(result => ({
      outcome: 'written',
      position: positionMessage(name, result, result.committed),
    }))
  }

  #lookup({ clientId, sequence }: RequestOf): number {
    return this.#options.projection.lookupRequest(clientId, sequence)
  }

  #inLog(outcome: string, count: number, firstIndex: number): Resubmitted[] {
    return Array.from({ length: count }, (_, at) => ({
      outcome,
      position: this.#positionOf(firstIndex + at),
    }))
  }

  #positionOf(index: number): Position {
    const { log, name, driver } = this.#options
    const record = log.recordAt(index)
    const { epoch = 0, lamport = 0, wallMs = 0, firstIndex = index } = record ?? {}
    const entry = { epoch, index, lamport: lamport + index - firstIndex, wallMs }
    return positionMessage(name, entry, index <= driver.replica.commitIndex)
  }

  #refuseUnlessHead(): void {
    const { driver, name, address, headHint } = this.#options
    const reason = driver.replica.writeRefusal(true)
    if (reason === undefined) return
    if (driver.replica.isHead) throw this.#unavailable(reason)
    const head = headHint()
    const hint = head === '' || head === address ? undefined : head
    const where = hint === undefined ? 'it has none now' : `ask that, ${hint}`
    throw new VarveError(
      'NOT_HEAD',
      `${address} is not the head of ${name}, which alone writes orphans anew: ${where}`,
      { outcome: 'failed', hint },
    )
  }

  #unavailable(reason: string): VarveError {
    const problem = `${this.#options.name} takes no orphans now: ${reason}`
    return new VarveError('UNAVAILABLE', problem, { outcome: 'failed' })
  }

  /** Unknown and old is not new: it may have been written, and what says so evicted. */
  #expired(orphan: CheckedOrphan, what: string): VarveError {
    const name = orphanName(this.#options.name, orphan)
    return new VarveError(
      'SESSION_EXPIRED',
      `${name} is older than the requests that the shard remembers: it cannot be told any more ${what}; ` +
        'nothing of this call was written: compare the key by hand, and set it where it is missing',
      { outcome: 'failed' },
    )
  }
}
