import test from 'ava'
import type { BaseName } from '../../src/log/log-base.js'
import { baseBlobName } from '../../src/log/log-base.js'
import { nullLogger } from '../../src/log/logger.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import { clearBelowBase, installBase, prepareBase } from '../../src/projection/install-base.js'
import { ShardProjection } from '../../src/projection/shard-projection.js'
import { trimLog } from '../../src/projection/trim.js'
import { BaseIntake, baseContentOf } from '../../src/replication/base-blob.js'
import { BaseReceiver } from '../../src/replication/base-receiver.js'
import { BaseSender } from '../../src/replication/base-sender.js'
import { set, stateOf, TestHead } from '../projection/fixtures.js'

async function trimmedHead(): Promise<TestHead> {
  const head = new TestHead()
  for (let i = 0; i < 200; i += 1) head.append([set(`key/${i}`, `${i}`.repeat(3_000)), set('same', `${i}`)])
  await head.store.flush()
  head.commit()
  const { log, projection, store } = head
  await trimLog({ log, projection, blobs: store.blobs, logger: nullLogger, index: 300, writtenMs: 1_000 })
  return head
}

test('a log that is kept from its beginning has no base to send', async t => {
  const head = new TestHead()
  t.is(baseContentOf(head.log, head.store.blobs), undefined)
})

test('a base goes from one store to another, is installed there, and the log goes on from it', async t => {
  const head = await trimmedHead()
  const store = new MemoryLogStore({ autoSync: true })
  const log = store.log(0)
  const projection = new ShardProjection({ log })
  const arrived = await new Promise<BaseName>((resolve, reject) => {
    const intake = new BaseIntake({
      shard: 0,
      blobs: store.blobs,
      onWritten: sizeBytes => receiver.written(sizeBytes),
      onArrived: resolve,
      onFailed: reject,
    })
    const receiver: BaseReceiver = new BaseReceiver(intake, receipt => sender.receipt(receipt))
    const content = baseContentOf(head.log, head.store.blobs)!
    const sender: BaseSender = new BaseSender(content, chunk => setImmediate(() => receiver.chunk(chunk)))
    sender.begin()
  })
  t.is(arrived.index, 300)
  const prepared = await prepareBase(0, store.blobs, arrived)
  installBase(prepared, log, projection, 0)
  await clearBelowBase(log, store.blobs)
  t.deepEqual(await store.blobs.names(''), [baseBlobName(0, head.log.base!)])
  for await (const record of head.log.records(0)) {
    log.append(record)
    projection.apply(record)
  }
  projection.commit(log.lastIndex)
  t.deepEqual(await projection.digest(), await head.projection.digest())
  t.deepEqual(stateOf(projection, 'committed'), stateOf(head.projection, 'committed'))
})

test('a base that is damaged on arrival is refused and removed', async t => {
  const head = await trimmedHead()
  const { blobs } = new MemoryLogStore({ autoSync: true })
  const name = baseBlobName(0, head.log.base!)
  const bytes = Buffer.from(head.store.blobs.open(name)!.read(0, 100_000)!)
  await blobs.write(name, [bytes])
  await t.throwsAsync(prepareBase(0, blobs, head.log.base!), { code: 'LOG_DAMAGED' })
  t.deepEqual(await blobs.names(''), [])
})

test('a base that is given up leaves nothing, and another one can come in at once', async t => {
  const { blobs } = new MemoryLogStore({ autoSync: true })
  const arrived: number[] = []
  const written: number[] = []
  const intake = new BaseIntake({
    shard: 0,
    blobs,
    onWritten: sizeBytes => written.push(sizeBytes),
    onArrived: ({ index }) => arrived.push(index),
    onFailed: error => t.fail(String(error)),
  })
  const base = { index: 5, hash: Buffer.alloc(32, 5) }
  intake.begin(base)
  intake.write(Buffer.from('some of it'))
  intake.begin(base)
  intake.write(Buffer.from('all '))
  intake.write(Buffer.from('of it'))
  intake.finish()
  await intake.settled()
  t.deepEqual(arrived, [5])
  t.is(blobs.open(baseBlobName(0, base))!.read(0, 100)!.toString(), 'all of it')
  t.deepEqual(written, [4, 5])
  intake.begin({ ...base, index: 6 })
  intake.write(Buffer.from('more'))
  intake.abandon()
  await intake.settled()
  t.deepEqual(arrived, [5])
  t.is((await blobs.names('')).length, 1)
})
