/**
 * The sessions of one client, one to each node that it talks to, and the client id that they all carry. The first
 * node that takes a session gives the id; it begins with a stamp, so that a shard knows ids that it has forgotten.
 */
import type { SessionWelcome } from '../generated/varve/v1/kv.js'
import type { Channels } from './channels.js'
import { VarveError } from './errors.js'
import type { ReadFrame } from './read-group.js'
import { type Hello, Session, type SessionEvents } from './session.js'
import type { TokenTracker } from './token.js'

// While the first node is asked for an id, sessions to others wait so long, lest each node gives one.
const FIRST_WELCOME_WAIT_MS = 500
const NO_ID = Buffer.alloc(0)

/** What the pool's owner hears. */
export interface PoolEvents extends Pick<SessionEvents, 'answered' | 'lost'> {
  /** Frames may be sent where they could not before. */
  ready(): void
  /** A session that waits may be tried again then. */
  wakeAt(time: number): void
  /** A node has this revision of the shard map. */
  mapRevision(revision: number): void
}

export class SessionPool {
  readonly #channels: Channels
  readonly #tokens: TokenTracker
  readonly #actor: string
  readonly #events: PoolEvents
  readonly #sessions = new Map<string, Session>()
  #clientId: Buffer | undefined
  #opener: Session | undefined
  #openerUntil = 0

  constructor(channels: Channels, tokens: TokenTracker, actor: string, events: PoolEvents) {
    this.#channels = channels
    this.#tokens = tokens
    this.#actor = actor
    this.#events = events
  }

  /** 16 bytes; undefined before the first welcome. */
  get clientId(): Buffer | undefined {
    return this.#clientId
  }

  /** The session to that node, if it takes frames now; else it is opened, as soon as that may be tried. */
  session(address: string, now: number): Session | undefined {
    let session = this.#sessions.get(address)
    if (session === undefined) {
      session = this.#create(address)
      this.#sessions.set(address, session)
    }
    if (session.state === 'idle') this.#open(session, now)
    return session.writable ? session : undefined
  }

  sessions(): Iterable<Session> {
    return this.#sessions.values()
  }

  /** Gives the id up: every session begins anew, and the next welcome brings another id. */
  renew(): void {
    this.#clientId = undefined
    const reason = new VarveError('UNAVAILABLE', 'the session begins anew under another client id')
    for (const session of this.#sessions.values()) session.reset(reason)
  }

  /** Ends idle sessions to nodes that `keep` does not name. */
  prune(keep: (address: string) => boolean): void {
    for (const [address, session] of this.#sessions) {
      if (keep(address) || session.hasReads) continue
      session.reset(new VarveError('UNAVAILABLE', `${address} is not in the shard map any more`))
      session.close()
      this.#sessions.delete(address)
    }
  }

  /** Ends all; returns the reads that were in flight. */
  close(): ReadFrame[] {
    const reads = [...this.#sessions.values()].flatMap(session => session.close())
    this.#sessions.clear()
    return reads
  }

  #create(address: string): Session {
    return new Session(address, () => this.#channels.peer(address), {
      opened: (session, welcome) => this.#opened(session, welcome),
      answered: (session, frames) => this.#events.answered(session, frames),
      drained: () => this.#events.ready(),
      seenWallMs: () => this.#tokens.wallMs,
      lost: (session, error, reads) => {
        if (session === this.#opener) this.#opener = undefined
        this.#events.lost(session, error, reads)
      },
    })
  }

  #open(session: Session, now: number): void {
    if (now < session.retryAt) {
      this.#events.wakeAt(session.retryAt)
      return
    }
    if (this.#clientId === undefined) {
      if (this.#opener !== undefined && now < this.#openerUntil) {
        this.#events.wakeAt(this.#openerUntil)
        return
      }
      this.#opener = session
      this.#openerUntil = now + FIRST_WELCOME_WAIT_MS
    }
    session.open(this.#hello())
  }

  #hello(): Hello {
    const { stamp } = this.#tokens.snapshot([])
    return {
      clientId: this.#clientId ?? NO_ID,
      actor: this.#actor,
      lamport: stamp.lamport,
      wallMs: stamp.wallMs,
    }
  }

  #opened(session: Session, welcome: SessionWelcome): void {
    if (welcome.stamp !== undefined) this.#tokens.observeStamp(welcome.stamp.lamport, welcome.stamp.wallMs)
    if (session === this.#opener) this.#opener = undefined
    this.#clientId ??= welcome.clientId
    if (!welcome.clientId.equals(this.#clientId)) {
      // Another node was asked at the same time and was first.
      session.restart(this.#hello())
      return
    }
    this.#events.mapRevision(welcome.mapRevision)
    this.#events.ready()
  }
}
