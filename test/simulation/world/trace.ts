/** What happened, in lines, and how often each kind of thing did. */
import type { Schedule } from './schedule.js'

export class Trace {
  readonly lines: string[] = []
  readonly counts = new Map<string, number>()
  /** Whether every message and write is noted too, not just what is rare. */
  readonly isDetailed: boolean
  readonly #schedule: Schedule
  readonly #isKept: boolean

  constructor(schedule: Schedule, kept: 'nothing' | 'events' | 'all') {
    this.#schedule = schedule
    this.#isKept = kept !== 'nothing'
    this.isDetailed = kept === 'all'
  }

  /** Something rare, such as a fault. */
  note(line: string): void {
    if (this.#isKept) this.lines.push(`${this.#schedule.nowMs.toFixed(3)} ${line}`)
  }

  /** Something that happens all the time; `line` is called only if it is kept. */
  detail(line: () => string): void {
    if (this.isDetailed) this.note(line())
  }

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times)
  }
}
