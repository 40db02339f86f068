/** The logs of all shards as they stand in the end, looked up by position, value and request. */
import type { HistoryOperation, LoggedEntry } from './history-event.js'

export class FinalLog {
  readonly #byPosition = new Map<string, LoggedEntry>()
  readonly #bySet = new Map<string, LoggedEntry[]>()
  readonly #shards = new Set<string>()

  constructor(entries: readonly LoggedEntry[]) {
    for (const entry of entries) {
      this.#shards.add(entry.shard)
      this.#byPosition.set(`${entry.shard}/${entry.index}`, entry)
      if (entry.type !== 'set') continue
      const name = setName(entry.key, entry.value)
      const same = this.#bySet.get(name)
      if (same === undefined) this.#bySet.set(name, [entry])
      else same.push(entry)
    }
  }

  get shards(): string[] {
    return [...this.#shards]
  }

  at(shard: string, index: number): LoggedEntry | undefined {
    return this.#byPosition.get(`${shard}/${index}`)
  }

  /** All entries that set this key to this value. */
  setsOf(key: string, value: string | null): readonly LoggedEntry[] {
    return this.#bySet.get(setName(key, value)) ?? []
  }

  /** The entry at the operation's position, if it is still the one that the answer spoke of. */
  standing({ position }: HistoryOperation): LoggedEntry | undefined {
    if (position === null) return undefined
    const entry = this.at(position.shard, position.index)
    return entry?.epoch === position.epoch ? entry : undefined
  }
}

/** Whether the entry is what the write wrote, or what the read read. */
export function isOf(entry: LoggedEntry, { type, key, value }: HistoryOperation): boolean {
  const wanted = type === 'delete' || value === null ? 'delete' : 'set'
  return entry.type === wanted && entry.key === key && entry.value === value
}

/** `shard_0/12 (epoch 3): set "k" to "v"`. */
export function describeEntry({ shard, epoch, index, type, key, value }: LoggedEntry): string {
  const to = type === 'set' ? ` to ${JSON.stringify(value)}` : ''
  return `${shard}/${index} (epoch ${epoch}): ${type === 'other' ? 'no write' : `${type} ${JSON.stringify(key)}${to}`}`
}

function setName(key: string, value: string | null): string {
  return `${key.length}:${key}=${value}`
}
