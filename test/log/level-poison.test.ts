/** Replaces a method of LevelDB's class, so it has a process of its own. */
import test from 'ava'
import { Level } from 'level'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { chainOf, endOf, recordAfter, temporaryFolder } from './record-chain.js'

type Batch = (this: Level, operations: unknown, options: { sync?: boolean }) => Promise<void>

const batch = Level.prototype.batch as unknown as Batch

function replaceBatch(by: Batch): void {
  Level.prototype.batch = by as never
}

test.afterEach.always(() => {
  replaceBatch(batch)
})

test.serial(
  'after a failed batch the store takes nothing more, and a restart finds what was durable',
  async t => {
    const dir = await temporaryFolder(t)
    let store = await LevelLogStore.open({ dir, logger: nullLogger })
    const heard: string[] = []
    store.onPoison(error => heard.push(error.message))
    const records = chainOf([2, 2, 2])
    const log = store.log(0)
    log.append(records[0]!)
    await store.flush()

    replaceBatch(async () => {
      throw new Error('IO error: No space left on device')
    })
    let told = 0
    log.onDurable(() => told++)
    log.append(records[1]!)
    await t.throwsAsync(store.flush(), { code: 'LOG_POISONED', message: /No space left on device/ })
    replaceBatch(batch)

    t.is(heard.length, 1)
    t.notRegex(heard[0]!, /\n/)
    t.is(store.poisoned?.code, 'LOG_POISONED')
    t.throws(() => log.append(records[2]!), { code: 'LOG_POISONED' })
    t.throws(() => log.adoptEpoch(9), { code: 'LOG_POISONED' })
    t.throws(() => store.log(7).setLogId('a'.repeat(32)), { code: 'LOG_POISONED' })
    await t.throwsAsync(store.blobs.write('blob', [Buffer.from('chunk')]), { code: 'LOG_POISONED' })
    t.is(told, 0)
    t.is(log.durableIndex, 2)
    await store.close()

    store = await LevelLogStore.open({ dir, logger: nullLogger })
    t.is(store.log(0).lastIndex, 2)
    store.log(0).append(records[1]!)
    await store.flush()
    t.is(store.log(0).durableIndex, 4)
    await store.close()
  },
)

test.serial('all logs of a store share one synced batch in flight', async t => {
  const dir = await temporaryFolder(t)
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  let inFlight = 0
  let batches = 0
  let unsynced = 0
  replaceBatch(async function (operations, options) {
    inFlight++
    batches++
    if (inFlight > 1) throw new Error('two batches in flight')
    if (options.sync !== true) unsynced++
    await batch.call(this, operations, options).finally(() => inFlight--)
  })
  const logs = [0, 1, 2].map(shard => store.log(shard))
  for (let round = 0; round < 200; round++) {
    for (const log of logs) log.append(recordAfter(log, { shard: log.shard }))
    if (round % 10 === 9) await new Promise(resolve => setImmediate(resolve))
  }
  await store.flush()
  t.is(unsynced, 0)
  t.true(batches > 1 && batches < 200, `${batches} batches`)
  t.deepEqual(
    logs.map(log => log.durableIndex),
    [200, 200, 200],
  )
  await store.close()
})

test.serial('what is cut while its batch is in flight is not durable afterwards', async t => {
  const dir = await temporaryFolder(t)
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  let release = () => {}
  const gate = new Promise<void>(resolve => {
    release = resolve
  })
  const log = store.log(0)
  const records = chainOf([2, 2, 2])
  log.append(records[0]!)
  await store.flush()
  replaceBatch(async function (operations, options) {
    await gate
    await batch.call(this, operations, options)
  })
  log.append(records[1]!)
  log.append(records[2]!)
  await new Promise(resolve => setImmediate(resolve))
  log.cut(4)
  const next = recordAfter(endOf(records[1]!), { epoch: 2, count: 3 })
  log.append(next)
  t.is(log.pendingWrites, 4)
  const seen: number[] = []
  log.onDurable(each => seen.push(each.durableIndex))
  release()
  await store.flush()
  t.deepEqual(seen, [4, 7])
  await store.close()
})
