/**
 * Strong reads at one replica (R1 to R3). The head runs barriers; any other member asks the head for a read index,
 * one question for all reads that wait, and answers once it holds that much.
 */
import { HeadBarrier, MemberBarrier, Patience, WAITING_READS_MAX } from './barrier.js'
import type { Body, Effect } from './effects.js'

/** A read that waits at the head: a ticket of its own driver, or a question from another member. */
type HeadRead = { readonly ticket: number } | { readonly member: string; readonly id: number }

/** What strong reads need to know of their replica at the moment. */
export interface ReadContext {
  /** Why this replica, as head, cannot answer strong reads now; undefined where it can. */
  headRefusal(): string | undefined
  readonly commitIndex: number
  /** Last index that a follower has matched and applied in this epoch; undefined before matching. */
  readonly appliedIndex: number | undefined
  readonly children: readonly string[]
  readonly head: string | undefined
  readonly upstream: string | undefined
  readonly isHead: boolean
}

export class StrongReads {
  readonly #context: ReadContext
  readonly #send: (to: string, body: Body) => void
  readonly #emit: (effect: Effect) => void
  #barrier = new HeadBarrier<HeadRead>()
  #member = new MemberBarrier()
  #questions = 0
  #asked: { id: number; tickets: number[] } | undefined
  #askPatience = new Patience()
  #waiting: number[] = []
  #granted: { index: number; tickets: number[] }[] = []

  constructor(context: ReadContext, send: (to: string, body: Body) => void, emit: (effect: Effect) => void) {
    this.#context = context
    this.#send = send
    this.#emit = emit
  }

  /** A strong read arrived at this replica. */
  read(ticket: number): void {
    if (this.#context.isHead) return this.#readAtHead({ ticket })
    if (this.#context.head === undefined) return this.#refuse([ticket], 'the replica has no configuration')
    if (this.#waiting.length >= WAITING_READS_MAX) return this.#refuse([ticket], 'too many strong reads wait')
    this.#waiting.push(ticket)
    if (this.#asked === undefined) this.#ask()
  }

  /** Another member asks the head. */
  readIndex(member: string, id: number): void {
    this.#readAtHead({ member, id })
  }

  readIndexAnswer(answer: { id: number; index: number; refused: string }): void {
    if (this.#asked?.id !== answer.id) return
    const { tickets } = this.#asked
    this.#asked = undefined
    this.#askPatience.answered()
    if (answer.refused !== '') this.#refuse(tickets, answer.refused)
    else this.#granted.push({ index: answer.index, tickets })
    const applied = this.#context.appliedIndex
    if (applied !== undefined) this.applied(applied)
    if (this.#waiting.length > 0) this.#ask()
  }

  /** This replica holds, matched, all up to `appliedIndex`: answer the reads that waited for it. */
  applied(appliedIndex: number): void {
    if (this.#granted.length === 0) return
    const ready = this.#granted.filter(({ index }) => index <= appliedIndex)
    if (ready.length === 0) return
    this.#granted = this.#granted.filter(({ index }) => index > appliedIndex)
    for (const { index, tickets } of ready) {
      for (const ticket of tickets) this.#emit({ type: 'readReady', ticket, index })
    }
  }

  /** A barrier's nonce came from upstream. */
  barrier(nonce: number): void {
    if (!this.#member.begin(nonce, this.#context.children)) return
    for (const child of this.#context.children) this.#send(child, { $case: 'barrier', value: { nonce } })
    if (this.#member.isComplete) this.#answerUpstream(nonce)
  }

  /** A child answered for its subtree. */
  barrierAnswer(nonce: number, child: string): void {
    if (!this.#context.isHead) {
      if (this.#member.answer(nonce, child)) this.#answerUpstream(nonce)
      return
    }
    this.#barrier.answer(nonce, child)
    this.#finishBarrier()
  }

  /** The epoch is over: no barrier of it may be answered any more (I2). */
  leave(reason: string): void {
    for (const read of this.#barrier.abandon()) this.#refuseAtHead(read, reason)
    const open = [...this.#granted.flatMap(({ tickets }) => tickets), ...(this.#asked?.tickets ?? [])]
    const waiting = this.#waiting
    this.#granted = []
    this.#asked = undefined
    this.#waiting = []
    this.#member = new MemberBarrier()
    this.#askPatience = new Patience()
    this.#refuse([...open, ...waiting], reason)
  }

  tick(): void {
    if (this.#barrier.tick()) this.#beginBarrier()
    if (this.#asked === undefined) return
    if (!this.#askPatience.tick()) return
    this.#waiting.unshift(...this.#asked.tickets)
    this.#ask()
  }

  #readAtHead(read: HeadRead): void {
    const refusal = this.#context.headRefusal()
    if (refusal !== undefined) return this.#refuseAtHead(read, refusal)
    if (this.#barrier.isFull) return this.#refuseAtHead(read, 'too many strong reads wait')
    this.#barrier.wait(read)
    if (!this.#barrier.isRunning) this.#beginBarrier()
  }

  #beginBarrier(): void {
    const { children, commitIndex } = this.#context
    const nonce = this.#barrier.begin(commitIndex, children)
    for (const child of children) this.#send(child, { $case: 'barrier', value: { nonce } })
    this.#finishBarrier()
  }

  #finishBarrier(): void {
    const finished = this.#barrier.finish()
    if (finished === undefined) return
    for (const read of finished.reads) {
      if ('ticket' in read) this.#emit({ type: 'readReady', ticket: read.ticket, index: finished.readIndex })
      else this.#answerMember(read, finished.readIndex, '')
    }
    if (this.#barrier.hasWaiting) this.#beginBarrier()
  }

  #ask(): void {
    this.#questions += 1
    this.#asked = { id: this.#questions, tickets: this.#waiting }
    this.#askPatience.begin()
    this.#waiting = []
    this.#send(this.#context.head!, { $case: 'readIndex', value: { id: this.#questions } })
  }

  #answerUpstream(nonce: number): void {
    this.#send(this.#context.upstream!, { $case: 'barrierAnswer', value: { nonce } })
  }

  #refuseAtHead(read: HeadRead, reason: string): void {
    if ('ticket' in read) this.#refuse([read.ticket], reason)
    else this.#answerMember(read, 0, reason)
  }

  #answerMember(read: { member: string; id: number }, index: number, refused: string): void {
    this.#send(read.member, { $case: 'readIndexAnswer', value: { id: read.id, index, refused } })
  }

  #refuse(tickets: readonly number[], reason: string): void {
    for (const ticket of tickets) this.#emit({ type: 'readRefused', ticket, reason })
  }
}
