import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { baseBlobName, describeBase } from '../../src/log/log-base.js'
import { nullLogger } from '../../src/log/logger.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import { openBase, restoreBase } from '../../src/projection/base.js'
import { openProjection, saveCheckpoint } from '../../src/projection/checkpoint.js'
import { ShardProjection } from '../../src/projection/shard-projection.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { collect } from '../log/record-chain.js'
import { clientId, del, NOBODY, refused, set, stateOf, TestHead, type TestOperation } from './fixtures.js'

const CLIENTS = [clientId(100), clientId(200), clientId(300)] as const
const SEQUENCES = [1, 2, 3, 7, 40, 41, 100, 10_001, 10_007]

function trim(head: TestHead, index: number): Promise<void> {
  const { log, projection, store } = head
  return trimLog({ log, projection, blobs: store.blobs, logger: nullLogger, index, writtenMs: 1_000 })
}

/** Everything that can be asked of a projection's state. */
async function pictureOf(projection: ShardProjection) {
  return {
    digest: await projection.digest(),
    newest: stateOf(projection, 'newest'),
    committed: stateOf(projection, 'committed'),
    requests: CLIENTS.flatMap(client => SEQUENCES.map(each => projection.lookupRequest(client, each))),
    applied: projection.appliedIndex,
  }
}

/** A head with keys that live, died and changed, three clients and two epochs. */
async function filledHead(count = 300): Promise<TestHead> {
  const head = new TestHead()
  for (let i = 1; i <= count; i++) {
    const client = CLIENTS[i % 3]!
    head.append([
      set(`key/${i % 60}/${'x'.repeat(i % 7)}`, `value ${i}`, { client, sequence: i }),
      i % 5 === 0 ? del(`key/${i % 60}/`) : refused(client, i + 10_000),
    ])
    if (i === count / 2) head.epoch = 4
  }
  await head.store.flush()
  return head
}

function reopen(store: MemoryLogStore): Promise<ShardProjection> {
  store.crash()
  return openProjection({ log: store.log(0), blobs: store.blobs, logger: nullLogger })
}

test('a trimmed replica says what it said before, before and after a restart', async t => {
  const head = await filledHead()
  head.commit(500)
  const before = await pictureOf(head.projection)
  for (const index of [200, 202, 500]) {
    await trim(head, index)
    t.is(head.log.baseIndex, index)
    t.deepEqual(await pictureOf(head.projection), before)
  }
  t.deepEqual(await head.store.blobs.names('base/'), [baseBlobName(0, head.log.base!)])
  const opened = await reopen(head.store)
  t.is(opened.committedIndex, 500)
  t.deepEqual(await pictureOf(opened), before)
  t.deepEqual((await collect(opened.log.records(0)))[0]?.firstIndex, 501)
})

test('a base made later at an index is byte for byte the one made then', async t => {
  const early = await filledHead()
  early.commit(300)
  await trim(early, 300)
  const late = await filledHead()
  late.commit(100)
  await trim(late, 100)
  late.commit(240)
  await saveCheckpoint(late.projection, { log: late.log, blobs: late.store.blobs, logger: nullLogger })
  late.commit(600)
  await trim(late, 300)
  const bytesOf = (head: TestHead) => {
    const blob = head.store.blobs.open(baseBlobName(0, head.log.base!))!
    return blob.read(0, blob.sizeBytes)!
  }
  t.is(bytesOf(late).length, bytesOf(early).length)
  t.is(bytesOf(late).compare(bytesOf(early)), 0)
  t.deepEqual(await late.store.blobs.names('checkpoint/'), [])
})

test('every remembered request is still found with its stamp and outcome, and every live entry whole', async t => {
  const head = await filledHead()
  head.commit()
  const indexes = CLIENTS.flatMap(client =>
    Array.from({ length: 300 }, (_, i) => [
      head.projection.lookupRequest(client, i + 1),
      head.projection.lookupRequest(client, i + 10_001),
    ]).flat(),
  ).filter(index => index > 0)
  t.true(indexes.length > 400)
  const entries = indexes.map(index => ({ ...head.projection.entryAt(index)! }))
  const key = Buffer.from('key/7/')
  const position = head.projection.locate(key, 0, key.length, 'committed')
  const whole = head.projection.entry(position === 0 ? 1 : position)
  await trim(head, head.log.lastIndex)
  indexes.forEach((index, i) => {
    const found = head.projection.entryAt(index)!
    const { key: keyBefore, value: valueBefore, ...rest } = entries[i]!
    const { key: keyNow, value, ...restNow } = found
    t.deepEqual(restNow, rest)
    t.true(keyNow.length === 0 || keyNow.equals(keyBefore))
    t.true(keyNow.length === 0 || value.equals(valueBefore))
  })
  if (position !== 0) t.deepEqual(head.projection.entry(position), whole)
  t.is(head.projection.entryAt(head.log.lastIndex + 1), undefined)
})

test('a deleted key stays known, so that what is written to it later links to its DELETE', async t => {
  const head = new TestHead()
  head.append([set('gone', '1'), set('stays', '2')])
  head.append([del('gone')])
  await head.store.flush()
  head.commit()
  await trim(head, 3)
  t.is(stateOf(head.projection, 'newest').size, 1)
  head.append([set('gone', '3')])
  await head.store.flush()
  head.commit()
  const opened = await reopen(head.store)
  opened.commit(4)
  t.deepEqual(await opened.digest(), await head.projection.digest())
  const record = opened.log.recordAt(4)!
  const before = opened.entry(record.previous(0))!
  t.is(before.index, 3)
  t.is(before.key.toString(), 'gone')
  t.is(opened.entry(before.previous), undefined)
})

test('a replica that takes a base from another goes on as one that has the whole log', async t => {
  const head = await filledHead()
  head.commit(400)
  await trim(head, 350)
  // Another replica, with some of the log, some that was cut off elsewhere, and a watch.
  const store = new MemoryLogStore({ autoSync: true })
  const log = store.log(0)
  const whole = await filledHead(20)
  for await (const record of whole.log.records(1)) log.append(record)
  const projection = new ShardProjection({ log })
  for await (const record of log.records(1)) projection.apply(record)
  projection.commit(20)
  const behind = projection.watch(5)
  await behind.next()
  const { base } = head.log
  await store.blobs.write(baseBlobName(0, base!), head.store.blobs.read(baseBlobName(0, base!))!)
  const restored = await restoreBase(0, store.blobs, base!)
  t.deepEqual(restored.base, base)
  log.installBase(restored.base, projection.committedIndex)
  projection.install(restored, openBase(0, store.blobs, base!))
  await store.flush()
  t.is(projection.committedIndex, 350)
  for await (const record of head.log.records(0)) {
    log.append(record)
    projection.apply(record)
  }
  projection.commit(400)
  t.deepEqual(await pictureOf(projection), await pictureOf(head.projection))
  const error = await t.throwsAsync(behind.next())
  t.like(error, { code: 'OUT_OF_RETENTION', index: 350 })
  await store.flush()
  const opened = await reopen(store)
  opened.commit(400)
  t.deepEqual(await pictureOf(opened), await pictureOf(head.projection))
})

test('a watch from below the base, or overtaken by one, is told where the log begins', async t => {
  const head = await filledHead(50)
  head.commit()
  const watch = head.projection.watch(10)
  await trim(head, 60)
  for (const each of [watch, head.projection.watch(1), head.projection.watch(60)]) {
    const error = await t.throwsAsync(each.next())
    t.like(error, { code: 'OUT_OF_RETENTION', index: 60 })
    t.regex(error!.message, /\(index 60\) was dropped by retention/)
  }
  const above = await head.projection.watch(61).next()
  t.is(above.value!.entries[0]!.index, 61)
  t.is(head.projection.watchCount, 1)
})

test('nothing is trimmed where no committed and durable record ends', async t => {
  const head = await filledHead(50)
  head.commit(60)
  await t.throwsAsync(trim(head, 59), { code: 'LOG_GAP' })
  await t.throwsAsync(trim(head, 62), { code: 'LOG_GAP' })
  t.is(trimIndexAt(head.log, head.projection, 59), 58)
  t.is(trimIndexAt(head.log, head.projection, 80), 60)
  t.is(trimIndexAt(head.log, head.projection, 1), 0)
  await trim(head, 60)
  await trim(head, 60)
  await t.throwsAsync(trim(head, 58), { code: 'LOG_OUT_OF_RETENTION' })
  t.is(trimIndexAt(head.log, head.projection, 30), 60)
  t.deepEqual(await head.store.blobs.names('base/'), [baseBlobName(0, head.log.base!)])
})

test('a base with any bit flipped, or cut short, is refused', async t => {
  const head = await filledHead(60)
  head.commit()
  await trim(head, 120)
  const base = head.log.base!
  const blob = head.store.blobs.open(baseBlobName(0, base))!
  const good = blob.read(0, blob.sizeBytes)!
  const check = async (bytes: Buffer) => {
    const store = new MemoryLogStore({ autoSync: true })
    await store.blobs.write(baseBlobName(0, base), [bytes])
    await restoreBase(0, store.blobs, base).then(
      () => {
        throw new Error('it was taken')
      },
      error => {
        if (error.code !== 'LOG_DAMAGED') throw error
      },
    )
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length * 8 - 1), bit => {
      const bytes = Buffer.from(good)
      bytes[bit >>> 3]! ^= 1 << (bit & 7)
      return check(bytes)
    }),
  )
  await fc.assert(fc.asyncProperty(fc.nat(good.length - 1), size => check(good.subarray(0, size))))
  await check(Buffer.concat([good, Buffer.from('x')]))
  await check(Buffer.concat([good, good]))
  const other = { ...base, index: 118 }
  await head.store.blobs.write(baseBlobName(0, other), [good])
  await t.throwsAsync(restoreBase(0, head.store.blobs, other), { code: 'LOG_DAMAGED' })
  t.throws(() => openBase(0, head.store.blobs, other), { code: 'LOG_DAMAGED' })
  t.throws(() => openBase(0, head.store.blobs, { ...base, index: 2 }), { code: 'LOG_DAMAGED' })
})

test('values are read from a base of many frames, small ones and one of a MiB', async t => {
  const head = new TestHead()
  const values = new Map<string, string>()
  for (let i = 0; i < 300; i++) {
    const batch = Array.from({ length: 10 }, (_, k) => {
      const key = `key/${(i * 10 + k) % 2_500}`
      const value = `${i}/${k}/`.repeat(i === 100 && k === 5 ? 200_000 : 20)
      values.set(key, value)
      return set(key, value)
    })
    head.append(batch)
  }
  await head.store.flush()
  head.commit()
  await trim(head, 3_000)
  const entries = openBase(0, head.store.blobs, head.log.base!)
  t.true(entries.frameCount > 20)
  const scanned = stateOf(head.projection, 'committed', 100)
  t.is(scanned.size, values.size)
  t.true([...values].every(([key, value]) => scanned.get(key) === value))
  for (const [key, value] of values) {
    const bytes = Buffer.from(key)
    const position = head.projection.locate(bytes, 0, bytes.length, 'committed')
    const { bytes: from, valueStart, valueLength } = head.projection.read(position)
    if (from.toString('utf8', valueStart, valueStart + valueLength) !== value) t.fail(key)
  }
})

const operation: fc.Arbitrary<TestOperation> = fc.oneof(
  fc
    .tuple(fc.nat(9), fc.string({ maxLength: 30 }), fc.nat(2), fc.nat(12))
    .map(([key, value, client, sequence]) =>
      set(`k${key}`, value, { client: sequence === 0 ? NOBODY : CLIENTS[client]!, sequence }),
    ),
  fc.nat(9).map(key => del(`k${key}`)),
  fc
    .tuple(fc.nat(2), fc.integer({ min: 1, max: 12 }))
    .map(([client, sequence]) => refused(CLIENTS[client]!, sequence)),
)
type Step =
  | { readonly do: 'append'; readonly operations: TestOperation[] }
  | { readonly do: 'commit' | 'trim' | 'cut'; readonly share: number }
  | { readonly do: 'restart' | 'epoch' | 'checkpoint' }
const share = fc.double({ min: 0, max: 1, noNaN: true })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'trim' as const, 'cut' as const), share }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('restart' as const, 'epoch' as const, 'checkpoint' as const),
    }),
  },
)

async function walk(t: ExecutionContext, steps: readonly Step[]): Promise<void> {
  const limits = { windowMax: 4, clientsMax: 2, requestsMax: 6 }
  // The twin is never trimmed.
  const [head, twin] = [new TestHead({ requestLimits: limits }), new TestHead({ requestLimits: limits })]
  for (const each of steps) {
    const { committedIndex, appliedIndex } = head.projection
    if (each.do === 'append') for (const one of [head, twin]) one.append(each.operations)
    else if (each.do === 'commit') {
      const index = committedIndex + Math.floor(each.share * (appliedIndex - committedIndex))
      for (const one of [head, twin]) one.commit(index)
    } else if (each.do === 'cut') {
      const index = committedIndex + Math.floor(each.share * (appliedIndex - committedIndex))
      const end = twin.log.recordAt(index)?.lastIndex ?? index
      if (end >= committedIndex) for (const one of [head, twin]) one.cut(end)
    } else if (each.do === 'trim') {
      await head.store.flush()
      const wanted = Math.floor(head.log.baseIndex + each.share * (committedIndex - head.log.baseIndex))
      const index = trimIndexAt(head.log, head.projection, wanted)
      if (index > 0) await trim(head, index)
    } else if (each.do === 'epoch') for (const one of [head, twin]) one.epoch++
    else if (each.do === 'checkpoint') {
      await head.store.flush()
      await saveCheckpoint(head.projection, { log: head.log, blobs: head.store.blobs, logger: nullLogger })
    } else {
      await head.store.flush()
      const context = { log: head.log, blobs: head.store.blobs, logger: nullLogger }
      const again = await openProjection(context, { requestLimits: limits })
      again.commit(committedIndex)
      const picture = await pictureOf(again)
      if (again.committedIndex === committedIndex) t.deepEqual(picture, await pictureOf(head.projection))
    }
    t.deepEqual(await pictureOf(head.projection), await pictureOf(twin.projection))
  }
  t.deepEqual(head.log.epochs, twin.log.epochs)
  for (const { epoch } of twin.log.epochs)
    t.deepEqual(head.log.epochStartHash(epoch), twin.log.epochStartHash(epoch))
  await head.store.flush()
  const { baseIndex } = head.log
  if (baseIndex > 0) t.deepEqual(describeBase(head.log, baseIndex).hash, twin.log.hashAt(baseIndex))
}

test('whatever is written, committed, cut and trimmed, a trimmed replica and its untrimmed twin agree', async t => {
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), steps => walk(t, steps)),
      { numRuns: 150 },
    ),
  )
})
