/** Carries out an import: units in order key by key, many at a time, each again and again where that may help. */

import { setTimeout as delay } from 'node:timers/promises'
import { BatchRequest, type BatchResponse } from '../src/generated/varve/v1/kv.js'
import { Operation } from '../src/log/entry.js'
import { codeOf } from './exit-codes.js'
import { type ImportUnit, IN_FLIGHT_MAX, IN_FLIGHT_SIZE_BYTES_MAX, unitSizeBytes } from './import-plan.js'

const PAUSE_MS = 100

/** Codes that say: later, or elsewhere. Asking again is safe, as the request has an id. */
const AGAIN = new Set(['NOT_HEAD', 'NOT_MEMBER', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'])

export interface ImportTarget {
  /** One call; rejects with an error that has a code. */
  write(shard: number, request: BatchRequest): Promise<BatchResponse>
  /** Where a shard's log ended before the import: what is answered from up to there was written before. */
  readonly lastIndexes: readonly number[]
  /** Of one unit, with all that is tried for it. */
  readonly timeoutMs: number
  /** Noted where an entry says nobody. */
  readonly actor: string
}

/** What became of the units so far, in entries. */
export interface ImportFigures {
  written: number
  /** Found to have been imported before. */
  known: number
}

/**
 * Writes units one after the other as far as they share a key, else up to `IN_FLIGHT_MAX` at a time. Rejects with the
 * first error, after all that is in flight has ended; what `figures` says then is what was done.
 */
export async function writeUnits(
  units: AsyncIterable<ImportUnit>,
  target: ImportTarget,
  figures: ImportFigures,
  onProgress: (figures: ImportFigures) => void,
): Promise<void> {
  const flight = new Flight()
  try {
    for await (const unit of units) {
      await flight.room(unitSizeBytes(unit))
      flight.send(unit, async () => {
        const isKnown = await writeUnit(unit, target)
        figures[isKnown ? 'known' : 'written'] += unit.lines.length
        onProgress(figures)
      })
    }
  } finally {
    await flight.landed()
  }
  flight.throwIfFailed()
}

/** What is under way: bounded in number and bytes, and in order for each key. */
class Flight {
  readonly #underWay = new Set<Promise<void>>()
  readonly #byKey = new Map<string, Promise<void>>()
  #sizeBytes = 0
  /** Called when a unit is done: there may be room now. */
  #onLanding: () => void = () => {}
  #failure: { readonly error: unknown } | undefined

  async room(sizeBytes: number): Promise<void> {
    this.throwIfFailed()
    while (
      this.#underWay.size >= IN_FLIGHT_MAX ||
      (this.#underWay.size > 0 && this.#sizeBytes + sizeBytes > IN_FLIGHT_SIZE_BYTES_MAX)
    ) {
      await new Promise<void>(resolve => {
        this.#onLanding = resolve
      })
      this.throwIfFailed()
    }
  }

  send(unit: ImportUnit, carryOut: () => Promise<void>): void {
    const keys = [...new Set(unit.lines.map(({ key }) => key.toString('latin1')))]
    const before = keys.map(key => this.#byKey.get(key))
    const sizeBytes = unitSizeBytes(unit)
    this.#sizeBytes += sizeBytes
    const done: Promise<void> = Promise.all(before)
      .then(() => (this.#failure === undefined ? carryOut() : undefined))
      .catch(error => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#sizeBytes -= sizeBytes
        this.#underWay.delete(done)
        for (const key of keys) if (this.#byKey.get(key) === done) this.#byKey.delete(key)
        this.#onLanding()
      })
    this.#underWay.add(done)
    for (const key of keys) this.#byKey.set(key, done)
  }

  async landed(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** True where the shard knew the request already. */
async function writeUnit(unit: ImportUnit, target: ImportTarget): Promise<boolean> {
  const request = requestOf(unit, target.actor)
  const deadline = performance.now() + target.timeoutMs
  for (;;) {
    try {
      const { results } = await target.write(unit.shard, request)
      const index = results[0]?.position?.index ?? 0
      return index <= (target.lastIndexes[unit.shard] ?? 0)
    } catch (error) {
      if (!AGAIN.has(codeOf(error) ?? '') || performance.now() >= deadline) throw error
      await delay(PAUSE_MS)
    }
  }
}

function requestOf({ lines, clientId, sequence }: ImportUnit, actor: string): BatchRequest {
  const first = lines[0]!
  const request = BatchRequest.decode(new Uint8Array())
  request.context = {
    consistency: 0,
    // The entries come after what was known where they were written first: the shard's clock is not to say otherwise.
    token: { parts: [], stamp: { lamport: lines.at(-1)!.lamport, wallMs: 0 } },
    actor: first.actor === '' ? actor : first.actor,
    requestId: { clientId, sequence },
    hops: 0,
    localOnly: false,
  }
  request.operations = lines.map(({ operation, key, value }) => ({
    operation: operation === 'set' ? Operation.SET : Operation.DELETE,
    key,
    value,
    condition: undefined,
    returnPrevious: false,
  }))
  return request
}
