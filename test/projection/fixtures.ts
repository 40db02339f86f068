/** What the projection's tests share: a head that writes a log, and blobs that can be damaged. */
import type { BlobStore, BlobView } from '../../src/log/blob-store.js'
import { EntryFlag, Operation, positionOf } from '../../src/log/entry.js'
import type { Log } from '../../src/log/log.js'
import { nullLogger } from '../../src/log/logger.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { ShardProjection, type ShardProjectionOptions } from '../../src/projection/shard-projection.js'

export const LOG_ID = '0123456789abcdef0123456789abcdef'
export const NOBODY: Buffer = Buffer.alloc(16)

/** A client id whose creation time is `creation`. */
export function clientId(creation: number, rest = creation): Buffer {
  const id = Buffer.alloc(16)
  id.writeUInt32BE(Math.floor(creation / 2 ** 32), 0)
  id.writeUInt32BE(creation >>> 0, 4)
  id.writeUInt32BE(rest, 12)
  return id
}

export interface TestOperation {
  readonly operation: Operation
  readonly key: Buffer
  readonly value?: Buffer
  readonly client?: Buffer
  readonly sequence?: number
  readonly flags?: number
}

export function set(key: string, value = '', from: Partial<TestOperation> = {}): TestOperation {
  return { operation: Operation.SET, key: Buffer.from(key), value: Buffer.from(value), ...from }
}

export function del(key: string): TestOperation {
  return { operation: Operation.DELETE, key: Buffer.from(key) }
}

/** A refused conditional write. */
export function refused(client: Buffer, sequence: number): TestOperation {
  return { operation: Operation.NOOP, key: Buffer.alloc(0), client, sequence, flags: EntryFlag.REFUSED }
}

/** A log in memory, written as a head writes it: staged in the projection entry by entry, then appended. */
export class TestHead {
  readonly store = new MemoryLogStore({ autoSync: true })
  readonly log: Log = this.store.log(0)
  readonly projection: ShardProjection
  readonly #writer = new RecordWriter()
  #lamport = 0
  epoch = 1

  constructor(options: Partial<ShardProjectionOptions> = {}) {
    this.projection = new ShardProjection({ log: this.log, ...options })
  }

  /** Appends one record with these entries. */
  append(operations: readonly TestOperation[]): LogRecord {
    const { log, projection } = this
    const firstIndex = log.lastIndex + 1
    this.#writer.begin({
      logId: LOG_ID,
      shard: 0,
      epoch: this.epoch,
      firstIndex,
      lamport: this.#lamport + 1,
      wallMs: 1_000 + firstIndex,
      commitIndex: projection.committedIndex,
      previousHash: log.lastHash,
    })
    operations.forEach(({ operation, key, value = NOBODY.subarray(0, 0), ...rest }, slot) => {
      const index = firstIndex + slot
      const sequence = rest.sequence ?? 0
      const client = this.#writer.client(rest.client ?? NOBODY, '')
      const previous = projection.stage(operation, key, 0, key.length, positionOf(index, slot))
      const flags = rest.flags ?? 0
      this.#writer.add(
        operation,
        flags,
        key,
        0,
        key.length,
        value,
        0,
        value.length,
        previous,
        client,
        sequence,
      )
      projection.recordRequest(rest.client ?? NOBODY, sequence, index)
    })
    const record = this.#writer.finish()
    this.#lamport = record.lastLamport
    log.append(record)
    projection.stagedTo(record.lastIndex)
    return record
  }

  commit(index = this.log.lastIndex): void {
    this.projection.commit(index)
  }

  /** Cuts the log and undoes what was above. What comes next is of a new epoch. */
  cut(index: number): void {
    this.log.cut(index)
    this.projection.truncate(index)
    this.epoch++
  }

  /** Everything written so far, applied record by record to a projection of its own. */
  async follower(options: Partial<ShardProjectionOptions> = {}): Promise<ShardProjection> {
    const projection = new ShardProjection({ log: this.log, ...options })
    for await (const record of this.log.records(1)) projection.apply(record)
    return projection
  }
}

/** The state of a projection as a plain map, read key by key through scans of `pageSize`. */
export function stateOf(
  projection: ShardProjection,
  view: 'newest' | 'committed',
  pageSize = 1_000,
): Map<string, string> {
  const state = new Map<string, string>()
  let start: Buffer | undefined = Buffer.alloc(0)
  while (start !== undefined) {
    const page = projection.scan({ start, view, limit: pageSize, sizeBytesMax: 1_000_000 })
    for (const { key, entry } of page.items) {
      state.set(key.toString('latin1'), entry!.value.toString('latin1'))
    }
    start = page.next
  }
  return state
}

/** Blobs in a map, whose bytes a test may change. */
export class TestBlobs implements BlobStore {
  readonly blobs = new Map<string, Buffer>()
  /** Largest chunk handed out. */
  chunkSizeBytes = 10_000
  /** Called after each chunk that is written. */
  onChunk = () => {}

  async write(name: string, chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
    const copies: Buffer[] = []
    for await (const chunk of chunks) {
      copies.push(Buffer.from(chunk))
      this.onChunk()
      await Promise.resolve()
    }
    this.blobs.set(name, Buffer.concat(copies))
  }

  read(name: string): AsyncIterable<Buffer> | undefined {
    const bytes = this.blobs.get(name)
    const size = this.chunkSizeBytes
    if (bytes === undefined) return undefined
    return (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    })()
  }

  open(name: string): BlobView | undefined {
    const bytes = this.blobs.get(name)
    if (bytes === undefined) return undefined
    const read = (offset: number, sizeBytesMax: number) => {
      return this.blobs.has(name) ? bytes.subarray(offset, offset + sizeBytesMax) : undefined
    }
    return { sizeBytes: bytes.length, read }
  }

  async names(prefix: string): Promise<string[]> {
    return [...this.blobs.keys()].filter(name => name.startsWith(prefix)).sort()
  }

  async remove(name: string): Promise<void> {
    this.blobs.delete(name)
  }
}

/** A logger that counts its warnings. */
export function warningCounter() {
  const counter = {
    ...nullLogger,
    warnings: 0,
    warn: () => {
      counter.warnings++
    },
  }
  return counter
}
