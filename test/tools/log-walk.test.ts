/** The debugger's core over logs in memory, against a plain list of all entries. */
import test from 'ava'
import fc from 'fast-check'
import { Operation } from '../../src/log/entry.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { KeyIndex } from '../../src/projection/key-index.js'
import { type LogLine, lineOfEntry } from '../../tools/log-line.js'
import { LogWalk } from '../../tools/replay/log-walk.js'
import type { Places, StepSource } from '../../tools/replay/step-source.js'

const LOG_ID = '00112233445566778899aabbccddeeff'
const SHARDS = ['shard_0', 'shard_1'] as const
const NOBODY = Buffer.alloc(16)

interface Write {
  readonly shard: 0 | 1
  readonly key: number
  readonly value: string | undefined
  /** Lamport times of both shards go on from here. */
  readonly synchronises: boolean
}

/** Logs of two shards in memory; keys are told apart by their shard. */
class Logs implements StepSource {
  readonly shards = SHARDS
  readonly #store = new MemoryLogStore({ autoSync: true })
  readonly #lamports = [0, 0]
  readonly #keys = [new KeyIndex(), new KeyIndex()] as const
  /** All entries in the order in which they are to be told. */
  readonly lines: LogLine[] = []

  constructor(records: readonly (readonly Write[])[]) {
    for (const writes of records) {
      for (const ordinal of [0, 1] as const) {
        const own = writes.filter(({ shard }) => shard === ordinal)
        if (own.length > 0) this.#append(ordinal, own)
      }
      if (writes[0]?.synchronises) this.#lamports.fill(Math.max(...this.#lamports))
    }
    for (const [ordinal, shard] of SHARDS.entries()) {
      const log = this.#store.log(ordinal)
      for (let index = 1; index <= log.lastIndex; index++) {
        const record = log.recordAt(index)!
        this.lines.push(lineOfEntry(shard, record.entry(index - record.firstIndex), log.lastIndex))
      }
    }
    this.lines.sort((a, b) => a.lamport - b.lamport || (a.shard < b.shard ? -1 : 1))
  }

  range(shard: string) {
    return { baseIndex: 0, lastIndex: this.#log(shard).lastIndex }
  }

  async record(shard: string, index: number): Promise<LogRecord> {
    return this.#log(shard).recordAt(index)!
  }

  records(shard: string, fromIndex: number): AsyncIterable<LogRecord> {
    return this.#log(shard).records(fromIndex)
  }

  line(shard: string, record: LogRecord, slot: number): LogLine {
    return lineOfEntry(shard, record.entry(slot), Number.POSITIVE_INFINITY)
  }

  async newest(shard: string, key: Buffer, index: number): Promise<LogLine | undefined> {
    return this.lines.findLast(each => each.shard === shard && each.index <= index && each.key.equals(key))
  }

  shardOf(key: Buffer): string | undefined {
    return SHARDS[key.toString().startsWith('0') ? 0 : 1]
  }

  async *keys(): AsyncGenerator<LogLine> {}

  async resolve(): Promise<Places> {
    return new Map()
  }

  #log(shard: string) {
    return this.#store.log(shard === 'shard_0' ? 0 : 1)
  }

  #append(ordinal: 0 | 1, writes: readonly Write[]): void {
    const log = this.#store.log(ordinal)
    const writer = new RecordWriter()
    const firstIndex = log.lastIndex + 1
    const lamport = this.#lamports[ordinal]! + 1
    const start = { logId: LOG_ID, shard: ordinal, epoch: 1, firstIndex, lamport, wallMs: 1_000 + firstIndex }
    writer.begin({ ...start, commitIndex: 0, previousHash: log.lastHash })
    const client = writer.client(NOBODY, 'ada')
    for (const [slot, { key, value }] of writes.entries()) {
      const name = Buffer.from(`${ordinal}/${key}`)
      const bytes = Buffer.from(value ?? '')
      const position = (firstIndex + slot) * 8_192 + slot
      const id = this.#keys[ordinal].findOrAdd(name, 0, name.length)
      const previous = this.#keys[ordinal].write(id, position, value === undefined)
      const operation = value === undefined ? Operation.DELETE : Operation.SET
      writer.add(operation, 0, name, 0, name.length, bytes, 0, bytes.length, previous, client, 0)
    }
    log.append(writer.finish())
    this.#lamports[ordinal] = lamport + writes.length - 1
  }
}

const write = fc.record({
  shard: fc.constantFrom(0 as const, 1 as const),
  key: fc.nat(4),
  value: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  synchronises: fc.boolean(),
})
const logs = fc
  .array(fc.array(write, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 })
  .map(records => new Logs(records))

/** How many entries of the list have happened at a walk's place. */
function happened({ lines }: Logs, walk: LogWalk): number {
  return lines.filter(({ shard, index }) => index <= walk.places.get(shard)!).length
}

test('a walk goes through all entries in the order of their Lamport times, and back again', async t => {
  await fc.assert(
    fc.asyncProperty(logs, async source => {
      const walk = new LogWalk(source)
      for (const line of source.lines) t.deepEqual((await walk.next())?.line, line)
      t.is(await walk.next(), undefined)
      for (const line of source.lines.toReversed()) t.deepEqual((await walk.previous())?.line, line)
      t.is(await walk.previous(), undefined)
      t.is(await walk.current(), undefined)
    }),
    { numRuns: 60 },
  )
})

type Move = 'next' | 'previous' | 'until' | 'back' | 'value'

test('wherever a walk goes, it stands where a plain list says, and knows what each key held before', async t => {
  const move = fc.record({
    kind: fc.constantFrom<Move>('next', 'next', 'previous', 'until', 'back', 'value'),
    key: fc.constantFrom('0/0', '0/1', '1/0', '1/2', '1/9'),
    value: fc.constantFrom('a', 'b', 'zz'),
  })
  await fc.assert(
    fc.asyncProperty(logs, fc.array(move, { maxLength: 40 }), async (source, moves) => {
      const walk = new LogWalk(source)
      const { lines } = source
      let at = 0
      for (const { kind, key, value } of moves) {
        const bytes = Buffer.from(key)
        const ofKey = (line: LogLine) => line.key.equals(bytes)
        const ofValue = (line: LogLine) => line.operation === 'set' && line.value.toString() === value
        const found =
          kind === 'until'
            ? lines.findIndex((line, place) => place >= at && ofKey(line))
            : kind === 'value'
              ? lines.findIndex((line, place) => place >= at && ofValue(line))
              : lines.findLastIndex((line, place) => place < at - 1 && ofKey(line))
        if (kind === 'next') {
          t.deepEqual((await walk.next())?.line, lines[at])
          at = Math.min(at + 1, lines.length)
        } else if (kind === 'previous') {
          t.deepEqual((await walk.previous())?.line, lines[at - 1])
          at = Math.max(0, at - 1)
        } else {
          const step = await (kind === 'until'
            ? walk.untilKeyChanges(bytes)
            : kind === 'value'
              ? walk.untilValue(each => each.toString() === value)
              : walk.beforeKeyChanged(bytes))
          t.deepEqual(step?.line, lines[found])
          if (found !== -1) at = found + 1
        }
        t.is(happened(source, walk), at)
        const current = await walk.current()
        t.deepEqual(current?.line, lines[at - 1])
        const before = lines
          .slice(0, Math.max(0, at - 1))
          .findLast(({ key: each }) => each.equals(current!.line.key))
        t.deepEqual(current?.before, before)
        t.deepEqual(await walk.get(bytes), lines.slice(0, at).findLast(ofKey))
      }
    }),
    { numRuns: 150 },
  )
})

test('a search that is told to stop stops, and the walk stays where it was', async t => {
  const writes: Write[][] = Array.from({ length: 200 }, () => [
    { shard: 0, key: 1, value: 'a', synchronises: false },
  ])
  const walk = new LogWalk(new Logs(writes))
  await walk.next()
  await t.throwsAsync(
    walk.untilValue(
      () => false,
      async () => false,
    ),
    { message: /stopped/ },
  )
  t.is(walk.places.get('shard_0'), 1)
})
