/**
 * Reads a whole base: the state that it stands for, without the values, which stay where they are. Everything is
 * checked, so a base that came from elsewhere is either what was sent or refused.
 */
import { indexOf, Operation } from '../log/entry.js'
import type { LogError } from '../log/errors.js'
import type { BaseName, LogBase } from '../log/log-base.js'
import { BaseKind, readEnd } from './base-codec.js'
import { baseDamaged, directoryOf } from './base-entries.js'
import { readHeader } from './base-header.js'
import { BaseRow } from './base-rows.js'
import { type RestoredClient, readClients } from './client-rows.js'
import { FrameReader } from './frames.js'
import { KeyIndex } from './key-index.js'
import { RequestTable, type RequestTableLimits } from './request-table.js'

/** The state at a base's index, ready to become a projection. */
export interface RestoredBase {
  readonly base: LogBase
  readonly index: number
  readonly hash: Buffer
  readonly keys: KeyIndex
  readonly requests: RequestTable
}

/**
 * Reads a base back. `chunks` may cut it anywhere.
 * @throws LogError LOG_DAMAGED when it is not the base that is expected, a bit differs or something is missing
 */
export async function decodeBase(
  shard: number,
  expected: BaseName,
  chunks: AsyncIterable<Buffer>,
  requestLimits: Partial<RequestTableLimits> = {},
): Promise<RestoredBase> {
  const decoder = new BaseDecoder(shard, expected, requestLimits)
  const fail = (what: string) => baseDamaged(shard, expected.index, what)
  const reader = new FrameReader((kind, payload, offset) => decoder.frame(kind, payload, offset), fail)
  for await (const chunk of chunks) reader.add(chunk)
  reader.end()
  return decoder.finish()
}

class BaseDecoder {
  readonly #shard: number
  readonly #expected: BaseName
  readonly #requestLimits: Partial<RequestTableLimits>
  readonly #keys = new KeyIndex()
  readonly #clients: RestoredClient[] = []
  readonly #row = new BaseRow()
  /** What the directory must say. */
  readonly #frames: number[] = []
  readonly #directory: Buffer[] = []
  #header: { base: LogBase; floor: number } | undefined
  #lastKind: number = 0
  #lastPosition = 0
  #entries = 0

  constructor(shard: number, expected: BaseName, requestLimits: Partial<RequestTableLimits>) {
    this.#shard = shard
    this.#expected = expected
    this.#requestLimits = requestLimits
  }

  frame(kind: number, payload: Buffer, offset: number): void {
    // Kinds come in the order of their numbers; only the first and the last one come once.
    const isOnce = kind === BaseKind.HEADER || kind === BaseKind.END
    if (kind < this.#lastKind || (kind === this.#lastKind && isOnce) || (this.#lastKind === 0 && !isOnce)) {
      throw this.#fail('its frames are out of order')
    }
    this.#lastKind = kind
    if (kind === BaseKind.HEADER) this.#takeHeader(payload)
    else if (kind === BaseKind.ENTRIES) this.#takeEntries(payload, offset)
    else if (kind === BaseKind.CLIENTS) this.#clients.push(...readClients(payload))
    else if (kind === BaseKind.DIRECTORY) this.#directory.push(Buffer.from(payload))
    else if (kind === BaseKind.END) this.#takeEnd(payload)
    else throw this.#fail(`it has a frame of kind ${kind}`)
  }

  finish(): RestoredBase {
    if (this.#header === undefined || this.#lastKind !== BaseKind.END) throw this.#fail('its end is missing')
    const { base, floor } = this.#header
    const requests = new RequestTable(this.#requestLimits)
    requests.restore({ floor, commitIndex: base.index, clients: this.#clients })
    return { base, index: base.index, hash: base.hash, keys: this.#keys, requests }
  }

  #takeHeader(payload: Buffer): void {
    const header = readHeader(payload)
    if (typeof header === 'string') throw this.#fail(header)
    const { shard, base } = header
    const { index, hash } = this.#expected
    if (shard !== this.#shard || base.index !== index || !base.hash.equals(hash)) {
      throw this.#fail(`it is of shard ${shard}, index ${base.index}`)
    }
    this.#header = header
  }

  #takeEntries(payload: Buffer, offset: number): void {
    const row = this.#row
    let isFirst = true
    for (let more = row.first(payload); more; more = row.next()) {
      const { position } = row
      if (!(position > this.#lastPosition)) throw this.#fail('its entries are out of order')
      this.#lastPosition = position
      if (isFirst) this.#frames.push(indexOf(position), offset)
      isFirst = false
      this.#entries++
      const { operation } = row
      if (row.isStub || (operation !== Operation.SET && operation !== Operation.DELETE)) continue
      this.#keys.restore(payload, row.keyStart, row.keyLength, position, operation === Operation.DELETE)
    }
    if (indexOf(this.#lastPosition) > this.#expected.index) throw this.#fail('it has entries above its index')
  }

  #takeEnd(payload: Buffer): void {
    const { entries, keys, clients } = readEnd(payload)
    const { firstIndexes, offsets } = directoryOf(this.#directory)
    const isWhole =
      entries === this.#entries && keys === this.#keys.keyCount && clients === this.#clients.length
    const isFound = this.#frames.every((number, i) => {
      return number === (i % 2 === 0 ? firstIndexes : offsets)[i >>> 1]
    })
    if (!isWhole || !isFound || this.#frames.length !== 2 * offsets.length) {
      throw this.#fail('it does not hold what it says')
    }
  }

  #fail(what: string): LogError {
    return baseDamaged(this.#shard, this.#expected.index, what)
  }
}
