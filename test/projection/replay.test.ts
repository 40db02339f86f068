import test from 'ava'
import fc from 'fast-check'
import { EntryFlag, Operation } from '../../src/log/entry.js'
import { nullLogger } from '../../src/log/logger.js'
import { replayState } from '../../src/projection/replay.js'
import { replayedEntries } from '../../src/projection/replay-entries.js'
import { LogReplaySource, replaySource } from '../../src/projection/replay-source.js'
import { replaySteps } from '../../src/projection/replay-steps.js'
import { ShardProjection } from '../../src/projection/shard-projection.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { collect } from '../log/record-chain.js'
import { clientId, del, refused, set, stateOf, TestHead, type TestOperation } from './fixtures.js'

const CLIENT = clientId(100)
const pause = async () => {}

function sourceOf(head: TestHead): LogReplaySource {
  return new LogReplaySource(head.log, head.store.blobs)
}

async function trim(head: TestHead, wanted: number): Promise<void> {
  const { log, projection, store } = head
  await store.flush()
  const index = trimIndexAt(log, projection, wanted)
  await trimLog({ log, projection, blobs: store.blobs, logger: nullLogger, index, writtenMs: 5_000 })
}

/** What a projection says of the log up to `index`, and the values of a replay as a plain map. */
async function projected(head: TestHead, index: number) {
  const projection = new ShardProjection({ log: head.log })
  for await (const record of head.log.records(1, index)) {
    projection.apply(record)
    projection.commit(record.lastIndex)
  }
  return { digest: await projection.digest(), state: stateOf(projection, 'committed') }
}

async function valuesOf(head: TestHead, toIndex: number, options = {}) {
  const source = sourceOf(head)
  const state = await replaySource(source, { toIndex, pause })
  const values = new Map<string, string>()
  for await (const { key, value } of replayedEntries(source, state, { pause, ...options })) {
    values.set(key.toString('latin1'), value.toString('latin1'))
  }
  return values
}

/** Random histories: some keys over and over, deletes, atomic batches, refused writes, cuts with a new epoch. */
type Action =
  | { readonly cut: number }
  | { readonly operations: readonly TestOperation[] }
  | { readonly commit: true }

const operation = fc.tuple(fc.nat(9), fc.nat(20)).map(([key, what]): TestOperation => {
  if (what === 0) return refused(CLIENT, 1)
  if (what < 5) return del(`key/${key}`)
  const flags = what < 8 ? EntryFlag.BATCH_CONTINUES : 0
  return set(`key/${key}`, `value ${what}`.repeat(what % 3), { flags })
})
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(operation, { minLength: 1, maxLength: 12 }).map(operations => ({ operations })),
  },
  { weight: 1, arbitrary: fc.nat(4).map(cut => ({ cut })) },
  { weight: 2, arbitrary: fc.constant({ commit: true } as const) },
)

/** A batch ends with its record. */
function whole(operations: readonly TestOperation[]): TestOperation[] {
  const last = operations.at(-1)!
  const flags = (last.flags ?? 0) & ~EntryFlag.BATCH_CONTINUES
  return [...operations.slice(0, -1), { ...last, flags }]
}

function play(actions: readonly Action[]): TestHead {
  const head = new TestHead()
  const ends = [0]
  for (const each of actions) {
    if ('operations' in each) ends.push(head.append(whole(each.operations)).lastIndex)
    else if ('commit' in each) head.commit()
    else {
      const kept = ends.filter(end => end >= head.projection.committedIndex)
      const at = kept.at(-1 - each.cut) ?? kept[0]!
      head.cut(at)
      ends.splice(ends.indexOf(at) + 1)
    }
  }
  head.commit()
  return head
}

test('a replayed log is what its projection holds: digest, keys and values', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 30 }), async actions => {
      const head = play(actions)
      const { lastIndex } = head.log
      const state = await replaySource(sourceOf(head), { pause })
      t.deepEqual(await state.digest(pause), await head.projection.digest())
      t.is(state.index, lastIndex)
      t.deepEqual(await valuesOf(head, lastIndex), stateOf(head.projection, 'committed'))
    }),
    { numRuns: 100 },
  )
})

test('at any index, inside a record too, a replay holds what a plain map does', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 20 }), fc.nat(), async (actions, seed) => {
      const head = play(actions)
      const index = head.log.lastIndex === 0 ? 0 : seed % (head.log.lastIndex + 1)
      const model = new Map<string, string>()
      for (const record of await collect(head.log.records(1))) {
        for (let slot = 0; slot < record.count && record.firstIndex + slot <= index; slot++) {
          const { operation, key, value } = record.entry(slot)
          if (operation === Operation.SET) model.set(key.toString(), value.toString())
          if (operation === Operation.DELETE) model.delete(key.toString())
        }
      }
      const sorted = new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1)))
      // Also in many small passes over the log.
      t.deepEqual([...(await valuesOf(head, index))], [...sorted])
      t.deepEqual([...(await valuesOf(head, index, { keysMax: 3, sizeBytesMax: 10 }))], [...sorted])
    }),
    { numRuns: 100 },
  )
})

test('a log that is kept from a base replays to the same, from the base on', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 1, maxLength: 25 }),
      fc.array(action, { maxLength: 8 }),
      fc.nat(),
      async (actions, more, seed) => {
        const head = play(actions)
        const before = await projected(head, head.log.lastIndex)
        await trim(head, head.log.lastIndex === 0 ? 0 : seed % (head.log.lastIndex + 1))
        const state = await replaySource(sourceOf(head), { pause })
        t.deepEqual(await state.digest(pause), before.digest)
        t.deepEqual(await valuesOf(head, head.log.lastIndex), before.state)
        for (const each of more) if ('operations' in each) head.append(whole(each.operations))
        head.commit()
        const grown = await replaySource(sourceOf(head), { pause })
        t.deepEqual(await grown.digest(pause), await head.projection.digest())
        t.deepEqual(await valuesOf(head, head.log.lastIndex), stateOf(head.projection, 'committed'))
        t.is(grown.entries, head.log.lastIndex - head.log.baseIndex)
      },
    ),
    { numRuns: 60 },
  )
})

test('every step says what its key held before and after', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 1, maxLength: 20 }),
      fc.nat(),
      fc.constantFrom(0, 500, 1_000_000),
      async (actions, seed, keptSizeBytes) => {
        const head = play(actions)
        const last = head.log.lastIndex
        if (seed % 3 === 0) await trim(head, seed % (last + 1))
        const { baseIndex } = head.log
        const model = new Map<string, string>()
        const fromIndex = baseIndex + 1 + (last > baseIndex ? seed % (last - baseIndex) : 0)
        if (fromIndex > 1)
          for (const [key, value] of await valuesOf(head, fromIndex - 1)) model.set(key, value)
        let next = fromIndex
        for await (const { entry, before, after } of replaySteps(sourceOf(head), {
          fromIndex,
          keptSizeBytes,
        })) {
          t.is(entry.index, next++)
          const key = entry.key.toString()
          const isData = entry.operation === Operation.SET || entry.operation === Operation.DELETE
          t.is(before?.value.toString(), isData ? model.get(key) : undefined)
          if (entry.operation === Operation.SET) model.set(key, entry.value.toString())
          if (entry.operation === Operation.DELETE) model.delete(key)
          t.is(after?.value.toString(), isData ? model.get(key) : undefined)
        }
        t.is(next, last + 1)
      },
    ),
    { numRuns: 80 },
  )
})

test('what retention dropped cannot be replayed, and the error names the horizon', async t => {
  const head = new TestHead()
  for (let i = 0; i < 20; i++) head.append([set(`key/${i % 3}`, `value ${i}`)])
  head.commit()
  await trim(head, 10)
  const source = sourceOf(head)
  const error = await t.throwsAsync(replaySource(source, { toIndex: 9 }), { code: 'LOG_OUT_OF_RETENTION' })
  t.regex(error.message, /before .* \(index 10\) was dropped by retention/)
  await t.throwsAsync(collect(replaySteps(source, { fromIndex: 10 })), { code: 'LOG_OUT_OF_RETENTION' })
  t.is((await replaySource(source, { toIndex: 10 })).liveKeyCount, 3)
})

test('a record that is missing ends a replay, unless it is to be skipped: then it is named', async t => {
  const head = new TestHead()
  for (let i = 0; i < 6; i++) head.append([set('a', `${i}`), set(`b/${i}`, 'x')])
  const records = await collect(head.log.records(1))
  const broken = [records[0]!, records[1]!, records[4]!, records[5]!]
  const error = await t.throwsAsync(replayState(from(broken)), { code: 'PROJECTION_DIVERGED' })
  t.regex(error.message, /record of index 9, expected index 5/)
  const state = await replayState(from(broken), { skipMissing: true })
  t.deepEqual(state.missing, [{ from: 5, to: 8 }])
  t.is(state.keyCount, 5)
  t.is(state.index, 12)
})

test('an entry that names another entry as its previous one ends a replay', async t => {
  const heads = [new TestHead(), new TestHead()] as const
  heads[0].append([set('a'), set('b')])
  heads[0].append([set('a')])
  heads[1].append([set('b'), set('a')])
  const [first] = await collect(heads[1].log.records(1))
  const [, second] = await collect(heads[0].log.records(1))
  const error = await t.throwsAsync(replayState(from([first!, second!])), { code: 'PROJECTION_DIVERGED' })
  t.regex(error.message, /entry 3 names entry 1 as its key's previous/)
})

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
