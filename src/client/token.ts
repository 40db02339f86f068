/**
 * How far a client has read or written: for each shard the epoch and index of the newest entry it has seen.
 * A session read is answered only by a replica that holds at least that.
 */
import type { Consistency, RequestContext, Token as WireToken } from '../generated/varve/v1/kv.js'
import type { Stamp } from '../log/entry.js'
import { VarveError } from './errors.js'

/** A client's place in one shard: an entry, by its index and the epoch of the record that holds it. */
export interface TokenPart {
  readonly epoch: number
  readonly index: number
}

/** Plain data: it may be kept as JSON and handed to another client. Shards never touched have no part. */
export interface Token {
  readonly shards: Readonly<Record<string, TokenPart>>
  /** The greatest stamp seen. */
  readonly stamp: Stamp
}

/** The token of one client, by shard ordinal. */
export class TokenTracker {
  readonly #epochs: number[] = []
  readonly #indexes: number[] = []
  #lamport = 0
  #wallMs = 0

  /** The greatest Lamport time seen; goes with every request. */
  get lamport(): number {
    return this.#lamport
  }

  /** The greatest wall time seen, epoch ms. */
  get wallMs(): number {
    return this.#wallMs
  }

  observeLamport(lamport: number): void {
    if (lamport > this.#lamport) this.#lamport = lamport
  }

  observeStamp(lamport: number, wallMs: number): void {
    if (lamport > this.#lamport) this.#lamport = lamport
    if (wallMs > this.#wallMs) this.#wallMs = wallMs
  }

  epoch(ordinal: number): number {
    return this.#epochs[ordinal] ?? 0
  }

  index(ordinal: number): number {
    return this.#indexes[ordinal] ?? 0
  }

  /** Never moves back: a later epoch counts before a greater index. */
  advance(ordinal: number, epoch: number, index: number): void {
    const known = this.epoch(ordinal)
    if (index === 0 || epoch < known || (epoch === known && index <= this.index(ordinal))) return
    this.#epochs[ordinal] = epoch
    this.#indexes[ordinal] = index
  }

  /** What this part named is gone (TOKEN_LOST was reported): begin anew, unless the part has moved on since. */
  forget(ordinal: number, epoch: number, index: number): void {
    if (this.epoch(ordinal) !== epoch || this.index(ordinal) !== index) return
    this.#epochs[ordinal] = 0
    this.#indexes[ordinal] = 0
  }

  snapshot(names: readonly string[]): Token {
    const shards: Record<string, TokenPart> = {}
    names.forEach((name, ordinal) => {
      if (this.index(ordinal) > 0) shards[name] = { epoch: this.epoch(ordinal), index: this.index(ordinal) }
    })
    return { shards, stamp: { lamport: this.#lamport, wallMs: this.#wallMs } }
  }

  /** Takes in what another client has seen. Throws INVALID_ARGUMENT on a shard that the cluster does not have. */
  observe(token: Token, names: readonly string[]): void {
    for (const name of Object.keys(token.shards)) {
      if (!names.includes(name)) {
        throw new VarveError(
          'UNKNOWN_SHARD',
          `the token names shard "${name}", the cluster has: ${names.join(', ')}`,
        )
      }
    }
    for (const [name, part] of Object.entries(token.shards)) {
      this.advance(names.indexOf(name), part.epoch, part.index)
    }
    this.observeStamp(token.stamp.lamport, token.stamp.wallMs)
  }

  /** For a unary request to one shard. */
  wireToken(ordinal: number, name: string): WireToken {
    const index = this.index(ordinal)
    return {
      parts: index === 0 ? [] : [{ shard: name, epoch: this.epoch(ordinal), index }],
      stamp: { lamport: this.#lamport, wallMs: this.#wallMs },
    }
  }
}

/** The context of a unary request. */
export function requestContext(
  tokens: TokenTracker,
  ordinal: number,
  name: string,
  consistency: Consistency,
  actor: string,
): RequestContext {
  const token = tokens.wireToken(ordinal, name)
  return { consistency, token, actor, requestId: undefined, hops: 0, localOnly: false }
}
