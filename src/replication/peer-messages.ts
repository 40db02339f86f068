/**
 * What replicas of one epoch say to each other, taken apart: downstreams ask and report, the upstream answers and sends,
 * the head says what may be read. Only members are counted (I2); who is none may follow and nothing else.
 */

import type { Body } from './effects.js'
import type { Following } from './following.js'
import type { Progress } from './progress.js'
import type { ReplicaState } from './replica-state.js'
import type { StrongReads } from './strong-reads.js'

/** What only a downstream says, and what only the upstream does. */
type ChildBody = Extract<Body, { $case: 'follow' | 'report' | 'barrierAnswer' | 'baseReceipt' }>
type UpstreamBody = Extract<Body, { $case: 'followFrom' | 'record' | 'commit' | 'barrier' | 'baseChunk' }>

/** What the messages need of the replica as it is now. */
export interface PeerView {
  following(): Following | undefined
  head(): string | undefined
  /** Something about its subtree's durable progress changed. */
  progressed(): void
}

export class PeerMessages {
  readonly #state: ReplicaState
  readonly #reads: StrongReads
  readonly #view: PeerView

  constructor(state: ReplicaState, reads: StrongReads, view: PeerView) {
    this.#state = state
    this.#reads = reads
    this.#view = view
  }

  /** From a member of the configuration, in the incarnation that it names. */
  member(from: string, incarnation: number, body: Body): void {
    switch (body.$case) {
      case 'follow':
      case 'report':
      case 'baseReceipt':
      case 'barrierAnswer': {
        const child = this.#state.downstreams.child(from, incarnation)
        if (child !== undefined) this.#child(child, body)
        return
      }
      case 'followFrom':
      case 'record':
      case 'commit':
      case 'baseChunk':
      case 'barrier': {
        const following = this.#view.following()
        if (from !== following?.upstream) return
        following.heard()
        return this.#upstream(following, body)
      }
      case 'readIndex':
        return this.#reads.readIndex(from, body.value.id)
      case 'readIndexAnswer':
        if (from !== this.#view.head()) return
        if (body.value.refused === '') this.#view.following()?.hearCommit(body.value.index)
        return this.#reads.readIndexAnswer(body.value)
    }
  }

  /** From a process that is no member: it may follow, and is never counted (I3). */
  stranger(from: string, incarnation: number, body: Body): void {
    if (body.$case !== 'follow' && body.$case !== 'report' && body.$case !== 'baseReceipt') return
    const { downstreams, commitIndex } = this.#state
    const observer = downstreams.observer(from, incarnation)
    if (observer === undefined) return
    // A stranger's log that cannot belong to this one is its own trouble: it gets no answer.
    if (body.$case === 'follow') downstreams.follow(observer, body.value, commitIndex)
    else if (body.$case === 'baseReceipt') downstreams.baseReceipt(observer, body.value)
    else downstreams.report(observer, body.value, commitIndex)
  }

  #child(child: Progress, body: ChildBody): void {
    const { downstreams, commitIndex } = this.#state
    switch (body.$case) {
      case 'follow': {
        const fault = downstreams.follow(child, body.value, commitIndex)
        if (fault !== undefined) this.#state.alarm(fault)
        return
      }
      case 'report':
        downstreams.report(child, body.value, commitIndex)
        return this.#view.progressed()
      case 'baseReceipt':
        return downstreams.baseReceipt(child, body.value)
      case 'barrierAnswer':
        return this.#reads.barrierAnswer(body.value.nonce, child.address)
    }
  }

  #upstream(following: Following, body: UpstreamBody): void {
    switch (body.$case) {
      case 'followFrom':
        return following.followFrom(body.value)
      case 'record':
        return following.record(body.value.record, body.value.commitIndex)
      case 'commit':
        return following.hearCommit(body.value.commitIndex)
      case 'baseChunk':
        return following.baseChunk(body.value)
      case 'barrier':
        return this.#reads.barrier(body.value.nonce)
    }
  }
}
