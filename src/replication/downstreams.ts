/**
 * The upstream's side of following: one `Progress` for each child in the configuration's tree, fed from the log.
 * A record is forwarded the moment it is appended; a child that is behind is served from the log by the same code.
 */
import type { Configuration, Follow, Report } from '../generated/varve/v1/replication.js'
import type { Log } from '../log/log.js'
import type { LogRecord } from '../log/record-codec.js'
import { childrenOf } from './configuration.js'
import type { Body } from './effects.js'
import { lastSharedEnd } from './matching.js'
import { Progress } from './progress.js'

type Send = (to: string, body: Body) => void

export class Downstreams {
  readonly #log: Log
  readonly #send: Send
  #children = new Map<string, Progress>()
  #isLed = false

  constructor(log: Log, send: Send) {
    this.#log = log
    this.#send = send
  }

  /** Begins an epoch: the children are those that follow `address` in it; none of them has matched. */
  enter(configuration: Configuration, address: string): void {
    this.#children = new Map(
      childrenOf(configuration, address).map(child => [
        child.address,
        new Progress(child.address, child.incarnation),
      ]),
    )
    this.#isLed = false
  }

  /** Ends the epoch: there is nobody to send to. */
  leave(): void {
    this.#children = new Map()
    this.#isLed = false
  }

  /** True once children are answered in this epoch. */
  get isLed(): boolean {
    return this.#isLed
  }

  addresses(): string[] {
    return [...this.#children.keys()]
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
   * From now on children are answered: the log holds all of the head's log up to this epoch's EPOCH entry, and is not
   * cut any more in this epoch. Returns the fault if a child's log cannot belong to it.
   */
  lead(commitIndex: number): string | undefined {
    this.#isLed = true
    for (const child of this.#children.values()) {
      const fault = this.#answer(child, commitIndex)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  /** A child asks to follow; it waits until this replica leads. Returns the fault if its log cannot belong to this. */
  follow(child: Progress, follow: Follow, commitIndex: number): string | undefined {
    child.parkedFollow = follow
    return this.#isLed ? this.#answer(child, commitIndex) : undefined
  }

  report(child: Progress, report: Report, commitIndex: number): void {
    child.report(report.receivedIndex, report.matched ? report.index : undefined)
    this.#pump(child, commitIndex)
  }

  /** Forwards a record that was just appended to every child that has all before it and room in its window. */
  forward(record: LogRecord, commitIndex: number): void {
    for (const child of this.#children.values()) {
      if (child.nextIndex === record.firstIndex && child.hasRoom) this.#sendRecord(child, record, commitIndex)
    }
  }

  /** Tells the children of commits that no record has carried to them; all of them, where that may have been lost. */
  tellCommit(commitIndex: number, repeat = false): void {
    for (const child of this.#children.values()) {
      if (!child.streaming || (child.commitIndexSent >= commitIndex && !repeat)) continue
      child.commitIndexSent = commitIndex
      this.#send(child.address, { $case: 'commit', value: { commitIndex } })
    }
  }

  dropped(address: string): void {
    this.#children.get(address)?.dropped()
  }

  linkDown(address: string): void {
    this.#children.get(address)?.rewind()
  }

  tick(commitIndex: number): void {
    for (const child of this.#children.values()) {
      child.tick()
      this.#pump(child, commitIndex)
    }
  }

  #answer(child: Progress, commitIndex: number): string | undefined {
    if (child.parkedFollow === undefined) return undefined
    const shared = lastSharedEnd(this.#log, child.parkedFollow)
    if ('fault' in shared) return `${child.address} cannot follow: ${shared.fault}`
    const { index, hash } = shared
    this.#send(child.address, { $case: 'followFrom', value: { index, hash, logId: this.#log.logId } })
    child.matched(index)
    this.#pump(child, commitIndex)
    return undefined
  }

  #pump(child: Progress, commitIndex: number): void {
    while (child.hasRoom && child.nextIndex <= this.#log.lastIndex) {
      const record = this.#log.recordAt(child.nextIndex)
      if (record === undefined) return
      this.#sendRecord(child, record, commitIndex)
    }
  }

  #sendRecord(child: Progress, record: LogRecord, commitIndex: number): void {
    child.sent(record)
    child.commitIndexSent = commitIndex
    this.#send(child.address, { $case: 'record', value: { commitIndex, record: record.bytes } })
  }
}
