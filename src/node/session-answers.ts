/**
 * Answers on their way to one session's client. Those of one turn of the event loop travel as one message, and while
 * a message is still leaving, the ones that follow gather behind it: the slower the client, the larger the messages,
 * and never more than one of them outside this queue, whose size is thus what the client has not taken.
 */
import type { SessionResponse, SessionWelcome } from '../generated/varve/v1/kv.js'

export interface AnswerQueueLimits {
  /** With so many bytes of answers waiting, the session's requests are not read. */
  readonly pauseAtBytes: number
  /** There are never more: what can be asked again is refused, for anything else the session ends. */
  readonly endAtBytes: number
}

/** A message is closed at about this size; one larger frame may exceed it. Far below what gRPC clients take. */
const MESSAGE_SIZE_BYTES_TARGET = 1_048_576

export class AnswerQueue {
  readonly #write: (message: SessionResponse) => void
  readonly #onLess: () => void
  #frames: Buffer[] = []
  #from = 0
  #sizeBytes = 0
  #leavingBytes = 0
  #welcome: SessionWelcome | undefined
  #isLeaving = false
  #isScheduled = false

  /** `write` is called with one message at a time; `written` must follow each. `onLess` tells that bytes left. */
  constructor(write: (message: SessionResponse) => void, onLess: () => void) {
    this.#write = write
    this.#onLess = onLess
  }

  /** Bytes that the client has not taken. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Goes out at once, before all answers. */
  welcome(welcome: SessionWelcome): void {
    this.#welcome = welcome
    this.#flush()
  }

  push(frame: Buffer): void {
    this.#frames.push(frame)
    this.#sizeBytes += frame.length
    if (this.#isLeaving || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  /** The message that was handed out has left. */
  written(): void {
    this.#isLeaving = false
    this.#sizeBytes -= this.#leavingBytes
    this.#leavingBytes = 0
    this.#flush()
    this.#onLess()
  }

  clear(): void {
    this.#frames = []
    this.#from = 0
    this.#sizeBytes = 0
    this.#leavingBytes = 0
  }

  #flush(): void {
    if (this.#isLeaving) return
    const frames = this.#take()
    const welcome = this.#welcome
    this.#welcome = undefined
    if (frames.length === 0 && welcome === undefined) return
    this.#isLeaving = true
    this.#write({ welcome, frames })
  }

  #take(): Buffer[] {
    const from = this.#from
    let to = from
    for (; to < this.#frames.length; to += 1) {
      const size = this.#frames[to]!.length
      if (to > from && this.#leavingBytes + size > MESSAGE_SIZE_BYTES_TARGET) break
      this.#leavingBytes += size
    }
    if (from === 0 && to === this.#frames.length) {
      const all = this.#frames
      this.#frames = []
      return all
    }
    const taken = this.#frames.slice(from, to)
    this.#from = to
    if (this.#from * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#from)
      this.#from = 0
    }
    return taken
  }
}
