import test from 'ava'
import fc from 'fast-check'
import type { WatchBatch } from '../../src/projection/watch.js'
import { clientId, del, refused, set, TestHead } from './fixtures.js'

type Watching = AsyncGenerator<WatchBatch, void, void>

/** Reads batches until `throughIndex` reaches `index`. */
async function readThrough(watch: Watching, index: number): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = []
  for (;;) {
    const { value, done } = await watch.next()
    if (done === true) throw new Error('the watch ended')
    batches.push(value)
    if (value.throughIndex >= index) return batches
  }
}

function indexesOf(batches: readonly WatchBatch[]): number[] {
  return batches.flatMap(batch => batch.entries.map(entry => entry.index))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

test('a watch gives the committed past, then what is committed, without gap or repetition', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ count: fc.integer({ min: 1, max: 5 }), commit: fc.boolean(), read: fc.boolean() }),
        {
          minLength: 1,
          maxLength: 20,
        },
      ),
      fc.integer({ min: 0, max: 30 }),
      fc.nat(20),
      async (script, from, beginAt) => {
        const head = new TestHead()
        let watch: Watching | undefined
        const seen: WatchBatch[] = []
        for (const [i, { count, commit, read }] of script.entries()) {
          if (i === beginAt) watch = head.projection.watch(from)
          head.append(range(1, count).map(number => set(`k${number}`)))
          if (commit) head.commit()
          const wanted = head.projection.committedIndex
          const seenThrough = seen.at(-1)?.throughIndex ?? Math.max(0, from - 1)
          if (read && wanted > seenThrough)
            seen.push(...(watch === undefined ? [] : await readThrough(watch, wanted)))
        }
        watch ??= head.projection.watch(from)
        head.commit()
        const last = head.log.lastIndex
        if (last > (seen.at(-1)?.throughIndex ?? Math.max(0, from - 1)))
          seen.push(...(await readThrough(watch, last)))
        await watch.return()
        const expected = range(Math.max(1, from), Math.max(last, Math.max(1, from) - 1))
        if (indexesOf(seen).join() !== expected.join())
          throw new Error(`${indexesOf(seen)} instead of ${expected}`)
      },
    ),
  )
  t.pass()
})

test('a watch waits for a commit, and for an index that the log does not have yet', async t => {
  const head = new TestHead()
  const watch = head.projection.watch(3)
  const next = watch.next()
  head.append([set('a'), set('b')])
  head.commit()
  head.append([set('c'), set('d')])
  let isThere = false
  void next.then(() => {
    isThere = true
  })
  await new Promise(resolve => setImmediate(resolve))
  t.false(isThere)
  head.commit()
  t.deepEqual(indexesOf([(await next).value!]), [3, 4])
})

test('a prefix selects entries by their keys, and one that matches nothing hears how far the watch is', async t => {
  const head = new TestHead()
  head.append([set('user/1', 'x'), set('order/1'), del('user/2'), refused(clientId(1), 1), set('use')])
  head.commit()
  const watch = head.projection.watch(1, { prefix: Buffer.from('user/') })
  const [batch] = await readThrough(watch, 5)
  t.deepEqual(
    batch!.entries.map(entry => [entry.index, entry.key.toString(), entry.value.toString()]),
    [
      [1, 'user/1', 'x'],
      [3, 'user/2', ''],
    ],
  )
  const all = await readThrough(head.projection.watch(1, { prefix: Buffer.alloc(0) }), 5)
  t.deepEqual(indexesOf(all), [1, 2, 3, 4, 5])
  for (let i = 0; i < 200; i++) head.append([set(`order/${i}`)])
  head.commit()
  const progress = (await watch.next()).value!
  t.deepEqual(progress.entries, [])
  t.true(progress.throughIndex > 5)
})

test('a tentative watch gives entries at once, tells of their commit, and takes back what was undone', async t => {
  const head = new TestHead()
  head.append([set('a')])
  head.commit()
  const watch = head.projection.watch(1, { tentative: true })
  head.append([set('b'), set('c')])
  head.append([set('d')])
  const batches = await readThrough(watch, 4)
  t.deepEqual(indexesOf(batches), [1, 2, 3, 4])
  t.is(batches.at(-1)!.committedIndex, 1)
  head.commit(3)
  t.deepEqual((await watch.next()).value, { entries: [], throughIndex: 4, committedIndex: 3 })
  head.cut(3)
  head.append([set('e')])
  t.deepEqual((await watch.next()).value, { entries: [], throughIndex: 3, committedIndex: 3, undoneAbove: 3 })
  const again = (await watch.next()).value!
  t.deepEqual(
    again.entries.map(entry => [entry.index, entry.key.toString(), entry.epoch]),
    [[4, 'e', 2]],
  )
})

test('a committed watch never hears of what is undone', async t => {
  const head = new TestHead()
  head.append([set('a')])
  head.commit()
  const watch = head.projection.watch(1)
  t.deepEqual(indexesOf([(await watch.next()).value!]), [1])
  head.append([set('b')])
  head.cut(1)
  head.append([set('c')])
  head.commit()
  const batch = (await watch.next()).value!
  t.deepEqual(
    batch.entries.map(entry => entry.key.toString()),
    ['c'],
  )
  t.false('undoneAbove' in batch)
})

test('an aborted watch ends without an error, waiting or not, and leaves nothing behind', async t => {
  const head = new TestHead()
  head.append([set('a')])
  head.commit()
  const waiting = new AbortController()
  const watch = head.projection.watch(2, { signal: waiting.signal })
  const next = watch.next()
  t.is(head.projection.watchCount, 1)
  waiting.abort()
  t.deepEqual(await next, { value: undefined, done: true })
  const before = new AbortController()
  before.abort()
  t.true((await head.projection.watch(1, { signal: before.signal }).next()).done)
  const left = head.projection.watch(1)
  await left.next()
  await left.return()
  t.is(head.projection.watchCount, 0)
})

test('a watcher that reads nothing for 100,000 entries costs nothing and misses nothing', async t => {
  const head = new TestHead()
  const watch = head.projection.watch(1)
  const operations = Array.from({ length: 1_000 }, (_, i) => set(`key${i}`, 'v'))
  head.append([set('first')])
  head.commit()
  t.deepEqual(indexesOf([(await watch.next()).value!]), [1])
  for (let i = 0; i < 100; i++) {
    head.append(operations)
    head.commit()
  }
  let next = 2
  while (next <= head.log.lastIndex) {
    const { entries, throughIndex } = (await watch.next()).value!
    // One record more than the bound on a batch at most: it holds nothing else.
    t.true(entries.length <= 2_048)
    for (const entry of entries)
      if (entry.index !== next++) t.fail(`index ${entry.index} instead of ${next - 1}`)
    t.is(throughIndex, next - 1)
  }
  t.is(next, head.log.lastIndex + 1)
  head.append([set('last')])
  head.commit()
  t.deepEqual(indexesOf([(await watch.next()).value!]), [head.log.lastIndex])
})

test('reading a long past lets others have their turn', async t => {
  const head = new TestHead()
  for (let i = 0; i < 1_000; i++) head.append([set(`key${i}`, 'v')])
  head.commit()
  let turns = 0
  const turn = () => {
    turns++
    immediate = setImmediate(turn)
  }
  let immediate = setImmediate(turn)
  await readThrough(head.projection.watch(1), 1_000)
  clearImmediate(immediate)
  t.true(turns >= 10, `${turns} turns`)
})

test('a damaged record ends the watch with an error that names it', async t => {
  const head = new TestHead()
  head.append([set('a')])
  head.append([set('b')])
  head.commit()
  const watch = head.projection.watch(1)
  await watch.next()
  // As a log does that finds its disk damaged.
  const log = head.log as { recordAt: (index: number) => unknown }
  log.recordAt = () => undefined
  head.append([set('c')])
  head.commit()
  await t.throwsAsync(watch.next(), { code: 'LOG_DAMAGED', message: /index 3/ })
  t.is(head.projection.watchCount, 0)
})
