import test from 'ava'
import fc from 'fast-check'
import { nullLogger } from '../../src/log/logger.js'
import {
  type CheckpointContext,
  loadCheckpoint,
  newestCheckpointIndex,
  openProjection,
  saveCheckpoint,
} from '../../src/projection/checkpoint.js'
import type { ShardProjection } from '../../src/projection/shard-projection.js'
import { clientId, del, refused, set, stateOf, TestBlobs, TestHead, warningCounter } from './fixtures.js'

const CLIENTS = [clientId(100), clientId(200), clientId(300)] as const

/** A head with keys that live, died and changed, and three clients. */
async function filledHead(count = 500): Promise<TestHead> {
  const head = new TestHead()
  for (let i = 1; i <= count; i++) {
    const client = CLIENTS[i % 3]!
    const key = `key/${i % 100}/${'x'.repeat(i % 7)}`
    head.append([
      set(key, `value ${i}`, { client, sequence: i }),
      i % 5 === 0 ? del(key) : refused(client, i + 10_000),
    ])
  }
  await head.store.flush()
  return head
}

async function assertEqual(
  t: { deepEqual: (a: unknown, b: unknown) => void },
  a: ShardProjection,
  b: ShardProjection,
) {
  t.deepEqual(await a.digest(), await b.digest())
  t.deepEqual(stateOf(a, 'newest'), stateOf(b, 'newest'))
  const lookups = (projection: ShardProjection) =>
    CLIENTS.flatMap(client =>
      [1, 2, 3, 499, 500, 501, 10_001].map(each => projection.lookupRequest(client, each)),
    )
  t.deepEqual(lookups(a), lookups(b))
}

function contextOf(head: TestHead, blobs = new TestBlobs(), logger = warningCounter()) {
  return { log: head.log, blobs, logger }
}

test('a projection opened from a checkpoint and the log after it is the one that replays it all', async t => {
  const head = await filledHead()
  const context = contextOf(head)
  head.commit(600)
  t.is(await saveCheckpoint(head.projection, context), 600)
  head.append([set('later', '1')])
  head.append([set('key/1/', '2')])
  const opened = await openProjection(context)
  t.is(opened.appliedIndex, head.log.lastIndex)
  t.is(opened.committedIndex, 600)
  await assertEqual(t, opened, head.projection)
  opened.commit(head.log.lastIndex)
  head.commit()
  await assertEqual(t, opened, head.projection)
  t.is(context.logger.warnings, 0)
  t.is((await loadCheckpoint(context))?.index, 600)
})

test('without a checkpoint everything is replayed, and committed as far as the log knows', async t => {
  const head = await filledHead()
  head.commit(400)
  head.append([set('later', '1')])
  const opened = await openProjection(contextOf(head))
  t.is(opened.appliedIndex, 1_001)
  t.is(opened.committedIndex, 400)
  await assertEqual(t, opened, head.projection)
})

test('a checkpoint goes through a log store and its crash', async t => {
  const head = await filledHead()
  head.commit()
  const { store } = head
  t.is(
    await saveCheckpoint(head.projection, { log: head.log, blobs: store.blobs, logger: nullLogger }),
    1_000,
  )
  store.crash()
  const opened = await openProjection({ log: store.log(0), blobs: store.blobs, logger: nullLogger })
  t.is(opened.committedIndex, 1_000)
  await assertEqual(t, opened, head.projection)
})

test('a checkpoint with any bit flipped, or cut short, is ignored with a warning', async t => {
  const head = await filledHead(100)
  head.commit()
  const blobs = new TestBlobs()
  await saveCheckpoint(head.projection, contextOf(head, blobs))
  const [[name, good]] = [...blobs.blobs] as [[string, Buffer]]
  const expected = await head.projection.digest()
  const check = async (bytes: Buffer) => {
    blobs.blobs.set(name, bytes)
    const context: CheckpointContext & { logger: { warnings: number } } = contextOf(head, blobs)
    if ((await loadCheckpoint(context)) !== undefined) throw new Error('it was loaded')
    if (context.logger.warnings !== 1) throw new Error(`${context.logger.warnings} warnings`)
    const opened = await openProjection(context)
    opened.commit(head.log.lastIndex)
    if (!(await opened.digest()).state.equals(expected.state)) throw new Error('another state')
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length * 8 - 1), async bit => {
      const bytes = Buffer.from(good)
      bytes[bit >>> 3]! ^= 1 << (bit & 7)
      await check(bytes)
    }),
  )
  await fc.assert(fc.asyncProperty(fc.nat(good.length - 1), size => check(good.subarray(0, size))))
  await check(Buffer.concat([good, Buffer.from('x')]))
  await check(Buffer.concat([good, good]))
  blobs.blobs.set(name, good)
  t.is((await loadCheckpoint(contextOf(head, blobs)))?.index, 200)
})

test('a checkpoint may be read in chunks of any size', async t => {
  const head = await filledHead(60)
  head.commit()
  const blobs = new TestBlobs()
  await saveCheckpoint(head.projection, contextOf(head, blobs))
  for (const size of [1, 7, 100, 1_000_000]) {
    blobs.chunkSizeBytes = size
    await assertEqual(t, await openProjection(contextOf(head, blobs)), head.projection)
  }
})

test('a checkpoint that is not in the log is left alone, and the one before is used', async t => {
  const head = await filledHead(100)
  const blobs = new TestBlobs()
  head.commit(100)
  await saveCheckpoint(head.projection, contextOf(head, blobs))
  // Another replica's log went the same way to 100 and another way from there.
  const other = await filledHead(100)
  other.cut(100)
  while (other.log.lastIndex < 200) other.append([set('other', 'way')])
  other.commit(150)
  await other.store.flush()
  t.is(await saveCheckpoint(other.projection, contextOf(other, blobs)), 150)
  head.commit(200)
  const context = contextOf(head, blobs)
  const opened = await openProjection(context)
  t.is(context.logger.warnings, 1)
  t.is(opened.committedIndex, 100)
  opened.commit(200)
  await assertEqual(t, opened, head.projection)
})

test('a checkpoint under another name than its own is not believed', async t => {
  const head = await filledHead(100)
  const blobs = new TestBlobs()
  head.commit(100)
  await saveCheckpoint(head.projection, contextOf(head, blobs))
  const early = [...blobs.blobs.keys()][0]!
  head.commit(200)
  await saveCheckpoint(head.projection, contextOf(head, blobs))
  const late = [...blobs.blobs.keys()].find(name => name !== early)!
  blobs.blobs.set(late, blobs.blobs.get(early)!)
  const context = contextOf(head, blobs)
  t.is((await loadCheckpoint(context))?.index, 100)
  t.is(context.logger.warnings, 1)
})

test('the newest two checkpoints are kept', async t => {
  const head = await filledHead(100)
  const context = contextOf(head)
  t.is(await newestCheckpointIndex(0, context.blobs), 0)
  for (const index of [2, 50, 90, 120]) {
    head.commit(index)
    t.is(await saveCheckpoint(head.projection, context), index)
    t.is(await newestCheckpointIndex(0, context.blobs), index)
  }
  const indexes = [...context.blobs.blobs.keys()].map(name => Number(name.split('/')[2]))
  t.deepEqual(indexes, [90, 120])
})

test('older checkpoints are kept that are far enough apart for reads of the past', async t => {
  const head = await filledHead(200)
  const context = contextOf(head)
  const apart = 100
  for (let index = 20; index <= 400; index += 20) {
    head.commit(index)
    t.is(await saveCheckpoint(head.projection, context, apart), index)
  }
  const indexes = [...context.blobs.blobs.keys()]
    .map(name => Number(name.split('/')[2]))
    .sort((a, b) => a - b)
  t.deepEqual(indexes.slice(-2), [380, 400])
  // Between two neighbours lies less than twice the distance, between all but the newest at least that.
  const gaps = indexes.map((index, at) => index - (indexes[at - 1] ?? 0))
  t.true(gaps.every(gap => gap < 2 * apart))
  t.true(gaps.slice(0, -2).every(gap => gap >= apart))
})

test('nothing is written when there is nothing new, or no durable record ends at the commit index', async t => {
  const head = await filledHead(100)
  const context = contextOf(head)
  t.is(await saveCheckpoint(head.projection, context), undefined)
  head.commit(101)
  t.is(await saveCheckpoint(head.projection, context), undefined)
  head.commit(102)
  t.is(await saveCheckpoint(head.projection, context), 102)
  t.is(await saveCheckpoint(head.projection, context), undefined)
  // Appended and not synced yet.
  head.append([set('k')])
  head.commit()
  t.is(await saveCheckpoint(head.projection, context), undefined)
  await head.store.flush()
  t.is(await saveCheckpoint(head.projection, context), head.log.lastIndex)
})

test('a checkpoint holds one moment, although entries are committed while it is written', async t => {
  const head = new TestHead()
  const operations = (round: number) =>
    Array.from({ length: 8_000 }, (_, i) =>
      set(`key/${(i * 7) % 9_000}`, `${round}`, { client: CLIENTS[i % 3]!, sequence: round * 8_000 + i }),
    )
  head.append(operations(1))
  head.append(operations(2))
  await head.store.flush()
  head.commit()
  const context = contextOf(head)
  const expected = await head.projection.digest()
  let round = 3
  context.blobs.onChunk = () => {
    if (round > 12) return
    head.append(operations(round++))
    head.commit()
  }
  t.is(await saveCheckpoint(head.projection, context), 16_000)
  t.true(round > 4)
  const restored = (await loadCheckpoint(context))!
  t.is(restored.index, 16_000)
  t.is(restored.keys.keyCount, expected.keys)
  t.is(restored.requests.lookup(CLIENTS[0], 2 * 8_000 + 3), 8_004)
  t.is(restored.requests.lookup(CLIENTS[0], 3 * 8_000 + 3), 0)
  const opened = await openProjection(context)
  opened.commit(head.log.lastIndex)
  await assertEqual(t, opened, head.projection)
})
