/**
 * The simplest projection there can be: the records themselves. It checks what a replica promises its projections:
 * records come in order, commits never fall, and nothing that is committed is ever undone.
 */
import { Operation } from '../../../src/log/entry.js'
import type { Log } from '../../../src/log/log.js'
import type { LogRecord } from '../../../src/log/record-codec.js'
import type { Projector } from '../../../src/replication/replica-driver.js'

export class ModelProjector implements Projector {
  readonly records: LogRecord[] = []
  committedIndex = 0

  /** Replays a log as a process does that starts. */
  constructor(log: Log) {
    for (let index = 1; index <= log.lastIndex; ) {
      const record = log.recordAt(index)!
      this.records.push(record)
      index = record.lastIndex + 1
    }
    this.committedIndex = log.commitIndexHint
  }

  get appliedIndex(): number {
    return this.records.at(-1)?.lastIndex ?? 0
  }

  apply(record: LogRecord): void {
    if (record.firstIndex !== this.appliedIndex + 1) {
      throw new Error(`applied index ${record.firstIndex} behind ${this.appliedIndex}`)
    }
    this.records.push(record)
  }

  commit(index: number): void {
    if (index <= this.committedIndex || index > this.appliedIndex) {
      throw new Error(`committed ${index} after ${this.committedIndex}, with ${this.appliedIndex} applied`)
    }
    this.committedIndex = index
  }

  truncate(index: number): void {
    if (index < this.committedIndex) throw new Error(`undid ${index}, ${this.committedIndex} was committed`)
    while (this.appliedIndex > index) this.records.pop()
    if (this.appliedIndex !== index) throw new Error(`no record ends at ${index}`)
  }

  /** The newest value of a key at or below `throughIndex`. */
  value(key: string, throughIndex: number): string | undefined {
    for (const record of [...this.records].reverse()) {
      for (let slot = record.count - 1; slot >= 0; slot -= 1) {
        if (record.firstIndex + slot > throughIndex || record.key(slot).toString() !== key) continue
        return record.operation(slot) === Operation.SET ? record.value(slot).toString() : undefined
      }
    }
    return undefined
  }
}
