/** Notes the events of one run: in the folder as they happen, and in memory for its verdicts. */

import { machineNowMs } from '../../history/recording-client.js'
import type { ExperimentEvent, RunEvent } from './events.js'
import type { Recorder } from './recorder.js'
import { RunClock, type RunZero } from './run-clock.js'

/** An event without what every event of a run has in common. */
type Noted<Type extends ExperimentEvent['type']> = Omit<
  Extract<ExperimentEvent, { type: Type }>,
  'type' | 'run' | 'atMs'
>

export class RunRecord {
  readonly events: ExperimentEvent[] = []
  readonly #run: string
  readonly #recorder: Recorder
  readonly #clock = new RunClock()

  constructor(run: string, recorder: Recorder) {
    this.#run = run
    this.#recorder = recorder
  }

  /** The load begins: this is the run's zero. */
  begin(zero: RunZero, about: Omit<Noted<'run'>, 'zeroWallMs' | 'zeroMonotonicMs'>): void {
    const { wallMs: zeroWallMs, monotonicMs: zeroMonotonicMs } = zero
    const event: RunEvent = { type: 'run', run: this.#run, atMs: 0, zeroWallMs, zeroMonotonicMs, ...about }
    this.#add(event)
    this.#clock.begin(zero)
  }

  /** Milliseconds since the run's zero; only once it began. */
  nowMs(): number {
    return machineNowMs() - this.#clock.zero!.monotonicMs
  }

  /** Notes something that happens now, or at that reading of the monotonic clock. */
  note<Type extends ExperimentEvent['type']>(
    type: Type,
    what: Noted<Type>,
    monotonicMs = machineNowMs(),
  ): void {
    this.#clock.whenBegun(zero => this.#addAt(type, what, monotonicMs - zero.monotonicMs))
  }

  /** Notes something that happened at that reading of the wall clock. */
  noteAtWall<Type extends ExperimentEvent['type']>(type: Type, what: Noted<Type>, wallMs: number): void {
    this.#clock.whenBegun(zero => this.#addAt(type, what, wallMs - zero.wallMs))
  }

  #addAt<Type extends ExperimentEvent['type']>(type: Type, what: Noted<Type>, atMs: number): void {
    const rounded = Math.round(atMs * 1_000) / 1_000
    this.#add({ type, run: this.#run, atMs: rounded, ...what } as unknown as ExperimentEvent)
  }

  #add(event: ExperimentEvent): void {
    this.events.push(event)
    this.#recorder.event(event)
  }
}
