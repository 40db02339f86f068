/**
 * Request ids for writes that came without one: this process is then the client whose repeats the shards recognise.
 * Each shard has a client id and a dense sequence of its own.
 */

/** Requests under way at once, from the oldest; the shards' request tables remember twice as many. */
export const NUMBERS_IN_FLIGHT_MAX = 32_768

/** The id of one request; a batch takes as many consecutive sequences as it has writes. */
export interface RequestNumber {
  readonly clientId: Buffer
  readonly sequence: number
  /** Every lower sequence of this client in this shard is answered. */
  readonly acknowledgedBelow: number
}

interface ShardNumbers {
  readonly clientId: Buffer
  next: number
  /** First sequences of what is under way, oldest first. */
  readonly open: Set<number>
}

export class RequestNumbers {
  readonly #newClientId: () => Buffer
  readonly #shards = new Map<number, ShardNumbers>()
  readonly #owners = new WeakMap<RequestNumber, ShardNumbers>()

  constructor(newClientId: () => Buffer) {
    this.#newClientId = newClientId
  }

  /** Numbers for `count` writes in a shard. Give them back with `done` when all are answered. */
  take(shard: number, count: number): RequestNumber {
    let numbers = this.#shards.get(shard)
    if (numbers === undefined || numbers.next - oldest(numbers) >= NUMBERS_IN_FLIGHT_MAX) {
      numbers = this.#begin(shard)
    }
    const sequence = numbers.next
    numbers.next += count
    numbers.open.add(sequence)
    const number = { clientId: numbers.clientId, sequence, acknowledgedBelow: oldest(numbers) }
    this.#owners.set(number, numbers)
    return number
  }

  done(number: RequestNumber): void {
    this.#owners.get(number)?.open.delete(number.sequence)
  }

  /** The shard has forgotten the client that this number names: the next one is another client's. */
  expire(shard: number, number: RequestNumber): void {
    if (this.#shards.get(shard) === this.#owners.get(number)) this.#shards.delete(shard)
  }

  #begin(shard: number): ShardNumbers {
    const numbers = { clientId: this.#newClientId(), next: 1, open: new Set<number>() }
    this.#shards.set(shard, numbers)
    return numbers
  }
}

function oldest({ open, next }: ShardNumbers): number {
  for (const sequence of open) return sequence
  return next
}
