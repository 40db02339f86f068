/**
 * The upstream's side of following: one `Progress` for each child in the configuration's tree, and for each observer: a
 * process that follows uncounted, as learners do (I3). A record is forwarded the moment it is appended; who is behind
 * is served from the log by the same code.
 */
import type { BaseReceipt, Configuration, Follow, Report } from '../generated/varve/v1/replication.js'
import type { Log } from '../log/log.js'
import type { LogRecord } from '../log/record-codec.js'
import type { BaseContent } from './base-sender.js'
import { BaseSenders } from './base-senders.js'
import { childrenOf } from './configuration.js'
import type { Body } from './effects.js'
import { endOf, lastSharedEnd } from './matching.js'
import { Progress } from './progress.js'

/** Processes that may follow one replica uncounted. */
export const OBSERVERS_MAX = 8

/** Ticks after which an observer that says nothing is forgotten. */
export const OBSERVER_SILENCE_TICKS = 60

/**
 * While writes go on, an observer is served so much of the log between two ticks, beside as much as was appended: whoever
 * catches up comes nearer all the time, at 20 MiB/s with ticks of 50 ms, and leaves the writes their share of upstream,
 * disk and network. Children are not held back, because commits wait for them.
 */
export const OBSERVER_SIZE_BYTES_PER_TICK = 1024 * 1024

type Send = (to: string, body: Body) => void

export class Downstreams {
  readonly #log: Log
  readonly #send: Send
  #children = new Map<string, Progress>()
  /** Not counted: neither in reports nor in barriers. */
  #observers = new Map<string, Progress>()
  #silentTicks = new Map<string, number>()
  #isLed = false
  /** Since the last tick. */
  #appendedBytes = 0
  readonly #bases: BaseSenders

  /** `base`: what the log is kept from, if not from its beginning. */
  constructor(log: Log, send: Send, base: () => BaseContent | undefined) {
    this.#log = log
    this.#send = send
    this.#bases = new BaseSenders(base, (to, value) => send(to, { $case: 'baseChunk', value }))
  }

  /** Begins an epoch: the children are those that follow `address` in it; none of them has matched. */
  enter(configuration: Configuration, address: string): void {
    this.#children = new Map(
      childrenOf(configuration, address).map(child => [
        child.address,
        new Progress(child.address, child.incarnation),
      ]),
    )
    this.#forgetObservers()
    this.#bases.clear()
    this.#isLed = false
  }

  /** Ends the epoch: there is nobody to send to. */
  leave(): void {
    this.#children = new Map()
    this.#forgetObservers()
    this.#bases.clear()
    this.#isLed = false
  }

  /** True once children are answered in this epoch. */
  get isLed(): boolean {
    return this.#isLed
  }

  /** The children's: observers answer no barrier. */
  addresses(): string[] {
    return [...this.#children.keys()]
  }

  /** A process that is no member follows or reports; undefined where as many do as may. */
  observer(address: string, incarnation: number): Progress | undefined {
    let observer = this.#observers.get(address)
    if (observer?.incarnation !== incarnation) {
      if (observer === undefined && this.#observers.size >= OBSERVERS_MAX) return undefined
      observer = new Progress(address, incarnation)
      this.#observers.set(address, observer)
    }
    this.#silentTicks.set(address, 0)
    return observer
  }

  /** The child at this address in this incarnation (I2), if it is one. */
  child(address: string, incarnation: number): Progress | undefined {
    const child = this.#children.get(address)
    return child?.incarnation === incarnation ? child : undefined
  }

  /** What all subtrees hold, `own` included (I3); undefined until every child has matched and reported. */
  lowestReport(own: number): number | undefined {
    let lowest = own
    for (const child of this.#children.values()) {
      if (child.reportedIndex === undefined) return undefined
      if (child.reportedIndex < lowest) lowest = child.reportedIndex
    }
    return lowest
  }

  /**
   * All who follow this replica have the log up to here, so that they need nothing below of it. 0 while one of them has not
   * matched yet, or is being sent a base, which another base would make useless.
   */
  get sharedIndex(): number {
    if (this.#bases.count > 0) return 0
    const all = this.#all()
    return Math.min(this.#log.lastIndex, ...all.map(each => (each.streaming ? each.receivedIndex : 0)))
  }

  /**
   * From now on children are answered: the log holds all of the head's log up to this epoch's EPOCH entry, and is not
   * cut any more in this epoch. Returns the fault if a child's log cannot belong to it.
   */
  lead(commitIndex: number): string | undefined {
    this.#isLed = true
    for (const child of this.#children.values()) {
      const fault = this.#answer(child, commitIndex)
      if (fault !== undefined) return fault
    }
    // A stranger's log that cannot belong to this one is its own trouble: it gets no answer.
    for (const observer of this.#observers.values()) this.#answer(observer, commitIndex)
    return undefined
  }

  /** Who asks to follow waits until this replica leads. Returns the fault if its log cannot belong to this. */
  follow(child: Progress, follow: Follow, commitIndex: number): string | undefined {
    child.parkedFollow = follow
    return this.#isLed ? this.#answer(child, commitIndex) : undefined
  }

  report(child: Progress, report: Report, commitIndex: number): void {
    child.report(report.receivedIndex, report.matched ? report.index : undefined)
    this.#pump(child, commitIndex)
  }

  /** So much of the base has arrived at a child. */
  baseReceipt(child: Progress, receipt: BaseReceipt): void {
    this.#bases.receipt(child.address, receipt)
  }

  /** Forwards a record that was just appended to every child that has all before it and room in its window. */
  forward(record: LogRecord, commitIndex: number): void {
    this.#appendedBytes += record.bytes.length
    this.#forwardTo(this.#children, record, commitIndex)
    this.#forwardTo(this.#observers, record, commitIndex)
  }

  /** Tells the children of commits that no record has carried to them; all of them, where that may have been lost. */
  tellCommit(commitIndex: number, repeat = false): void {
    for (const each of this.#all()) this.#tellCommit(each, commitIndex, repeat)
  }

  /** The same, but not to those whom a record went to since the last time: where writes go on, the next one tells them. */
  tellQuiet(commitIndex: number): void {
    for (const each of this.#all()) if (!each.takeSent()) this.#tellCommit(each, commitIndex, false)
  }

  /** Lets observers hear that they are not forgotten, which they ask about sooner than children. */
  tellObservers(commitIndex: number): void {
    for (const each of this.#observers.values()) this.#tellCommit(each, commitIndex, true)
  }

  dropped(address: string): void {
    this.#at(address)?.dropped()
    this.#bases.rewind(address)
  }

  linkDown(address: string): void {
    this.#at(address)?.rewind()
    this.#bases.rewind(address)
  }

  tick(commitIndex: number): void {
    this.#forgetSilent()
    this.#bases.tick()
    this.#allowObservers()
    for (const child of this.#all()) {
      child.tick()
      this.#pump(child, commitIndex)
    }
  }

  #tellCommit(follower: Progress, commitIndex: number, repeat: boolean): void {
    if (!follower.streaming || (follower.commitIndexSent >= commitIndex && !repeat)) return
    follower.commitIndexSent = commitIndex
    this.#send(follower.address, { $case: 'commit', value: { commitIndex } })
  }

  #forwardTo(followers: ReadonlyMap<string, Progress>, record: LogRecord, commitIndex: number): void {
    for (const each of followers.values()) {
      if (each.nextIndex === record.firstIndex && each.hasRoom) this.#sendRecord(each, record, commitIndex)
    }
  }

  #all(): Progress[] {
    return [...this.#children.values(), ...this.#observers.values()]
  }

  #at(address: string): Progress | undefined {
    return this.#children.get(address) ?? this.#observers.get(address)
  }

  #forgetObservers(): void {
    this.#observers = new Map()
    this.#silentTicks = new Map()
  }

  #forgetSilent(): void {
    for (const [address, ticks] of this.#silentTicks) {
      this.#silentTicks.set(address, ticks + 1)
      if (ticks < OBSERVER_SILENCE_TICKS) continue
      this.#observers.delete(address)
      this.#bases.stop(address)
      this.#silentTicks.delete(address)
    }
  }

  #allowObservers(): void {
    const appended = this.#appendedBytes
    const allowance = appended > 0 ? appended + OBSERVER_SIZE_BYTES_PER_TICK : Number.POSITIVE_INFINITY
    this.#appendedBytes = 0
    for (const observer of this.#observers.values()) observer.allow(allowance)
  }

  #answer(child: Progress, commitIndex: number): string | undefined {
    if (child.parkedFollow === undefined) return undefined
    const shared = lastSharedEnd(this.#log, child.parkedFollow)
    if ('fault' in shared) return `${child.address} cannot follow: ${shared.fault}`
    if ('belowBase' in shared) {
      child.parkedFollow = undefined
      return this.#bases.start(child.address) ? undefined : `${child.address} needs a base, and there is none`
    }
    this.#bases.stop(child.address)
    const { index, hash } = shared
    const asked = endOf(child.parkedFollow)
    const value = { index, hash, logId: this.#log.logId, askedIndex: asked.index, askedHash: asked.hash }
    this.#send(child.address, { $case: 'followFrom', value })
    child.matched(index)
    this.#pump(child, commitIndex)
    return undefined
  }

  #pump(child: Progress, commitIndex: number): void {
    if (child.streaming && child.nextIndex <= this.#log.baseIndex) return this.#fallBack(child)
    while (child.mayRead && child.nextIndex <= this.#log.lastIndex) {
      const record = this.#log.recordAt(child.nextIndex)
      if (record === undefined) return
      this.#sendRecord(child, record, commitIndex)
    }
  }

  /** What it needs next was dropped meanwhile, which only an observer can be so late for: it begins anew with the base. */
  #fallBack(child: Progress): void {
    child.streaming = false
    this.#bases.start(child.address)
  }

  #sendRecord(child: Progress, record: LogRecord, commitIndex: number): void {
    child.sent(record)
    child.commitIndexSent = commitIndex
    this.#send(child.address, { $case: 'record', value: { commitIndex, record: record.bytes } })
  }
}
