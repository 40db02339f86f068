/**
 * Where requests of one shard go: writes and strong reads to the head, other reads to one member that the
 * client stays with, so that what it reads does not run backwards by itself.
 */
import type { Shard } from '../generated/varve/v1/cluster.js'
import { type ErrorCode, VarveError } from './errors.js'

const elsewhereCodes: ReadonlySet<ErrorCode> = new Set(['NOT_HEAD', 'NOT_MEMBER', 'WRONG_SHARD', 'BEHIND'])

/** Whether a refusal means: ask somebody else. */
export function meansElsewhere(code: ErrorCode): boolean {
  return elsewhereCodes.has(code)
}

export class ShardRoute {
  readonly ordinal: number
  #shard: Shard
  /** A newer head than the map's, as a node that is head no more named it. */
  #hint: string | undefined
  #member: string | undefined

  constructor(shard: Shard) {
    this.ordinal = shard.ordinal
    this.#shard = shard
  }

  get name(): string {
    return this.#shard.name
  }

  get shard(): Shard {
    return this.#shard
  }

  /** Why nobody can be asked who has to be the head. */
  headless(): VarveError {
    const { status, waitingFor } = this.#shard
    const reason = waitingFor === '' ? `it is ${status || 'not ready'}` : `it waits for ${waitingFor}`
    return new VarveError('UNAVAILABLE', `${this.name} has no head now: ${reason}; see \`varve status\``)
  }

  /** A newer map. A hint holds until the shard's configuration changes. */
  update(shard: Shard): void {
    if (shard.epoch > this.#shard.epoch) this.#hint = undefined
    this.#shard = shard
  }

  /** Address of the head; undefined while the shard has none. */
  get head(): string | undefined {
    return this.#hint ?? (this.#shard.head === '' ? undefined : this.#shard.head)
  }

  /** The member that reads go to; the head, or nobody, where no member is known. */
  get member(): string | undefined {
    const members = this.#shard.members
    if (this.#member !== undefined && members.some(one => one.address === this.#member)) return this.#member
    this.#member = members[Math.floor(Math.random() * members.length)]?.address
    return this.#member ?? this.head
  }

  /** Who refused as head, and who it says is. Returns whether there is somebody else to try at once. */
  headRefused(address: string, hint: string | undefined): boolean {
    if (hint !== undefined && hint !== address) {
      const news = hint !== this.head
      this.#hint = hint
      return news
    }
    return this.headLost(address)
  }

  /** The head cannot be reached: a hint is given up. Returns whether there is somebody else to try at once. */
  headLost(address: string): boolean {
    if (this.#hint === undefined || this.#hint !== address) return false
    this.#hint = undefined
    return this.#shard.head !== '' && this.#shard.head !== address
  }

  /** Takes another member for reads, if there is one. Returns whether there is. */
  memberFailed(address: string): boolean {
    if (this.#member !== address) return this.#member !== undefined
    const others = this.#shard.members.filter(one => one.address !== address)
    this.#member = others[Math.floor(Math.random() * others.length)]?.address
    return this.#member !== undefined
  }
}
