import { cp, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Operation, positionOf } from '../../src/log/entry.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { openProjection } from '../../src/projection/checkpoint.js'
import type { ShardProjection } from '../../src/projection/shard-projection.js'
import { TimeTravel } from '../../src/projection/time-travel.js'
import { trimLog } from '../../src/projection/trim.js'
import { temporaryFolder } from '../log/record-chain.js'

/** A folder whose log was trimmed at index 7 of 10 by the version before bases said when they were written. */
const BASE_V1 = fileURLToPath(new URL('../fixtures/base-v1', import.meta.url))

async function open(dir: string) {
  const store = await LevelLogStore.open({ dir, logger: nullLogger, clusterId: 'golden' })
  const log = store.log(0)
  const context = { log, blobs: store.blobs, logger: nullLogger }
  const projection = await openProjection(context)
  return { store, log, projection, travel: new TimeTravel(projection, context), context }
}

test('a base of the version before opens, and the next one says when it was written', async t => {
  const dir = await temporaryFolder(t)
  await cp(BASE_V1, dir, { recursive: true })
  const old = await open(dir)
  t.is(old.log.baseIndex, 7)
  t.is(old.log.base!.writtenMs, 0)
  t.deepEqual(old.log.base!.stamp, { lamport: 7, wallMs: 1_700_000_000_007 })
  const key = Buffer.from('key-1')
  t.is((await old.travel.get(key, 7))!.value.toString(), 'value-5')
  t.is((await old.travel.get(key, 9))!.value.toString(), 'value-9')
  const error = await t.throwsAsync(old.travel.get(key, 6))
  t.is(
    error!.message,
    'history of shard_0 before 2023-11-14T22:13:20.007Z (index 7) was dropped by retention',
  )
  t.is(old.projection.lookupRequest(Buffer.alloc(16, 7), 2), 2)
  old.projection.commit(10)
  const keep = [{ prefix: key, horizon: { index: 0, stamp: { lamport: 0, wallMs: 0 }, droppedMs: 0 } }]
  await trimLog({ ...old.context, projection: old.projection, index: 9, writtenMs: 1_800_000_000_000, keep })
  await old.store.close()
  const now = await open(dir)
  t.teardown(() => now.store.close())
  t.is(now.log.base!.writtenMs, 1_800_000_000_000)
  // Of these keys all is kept that the base before had.
  t.is((await now.travel.get(key, 7))!.value.toString(), 'value-5')
  t.is((await now.travel.get(key, 9))!.value.toString(), 'value-9')
  t.is(now.projection.lookupRequest(Buffer.alloc(16, 7), 2), 2)
  const later = await t.throwsAsync(now.travel.get(Buffer.from('key-2'), 8))
  t.regex(later!.message, /\(index 9\) was dropped by retention on 2027-01-15T08:00:00.000Z$/)
})

async function sizeOf(dir: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(dir)).map(name =>
      stat(join(dir, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Appends records of 1 KiB values to a few keys. */
class Filler {
  readonly #writer = new RecordWriter()
  readonly #value = Buffer.alloc(1_024, 1)

  append(projection: ShardProjection, count: number): void {
    const { log } = projection
    const firstIndex = log.lastIndex + 1
    const { lamport, wallMs } = log.lastStamp
    this.#writer.begin({
      logId: '0123456789abcdef0123456789abcdef',
      shard: 0,
      epoch: 1,
      firstIndex,
      lamport: lamport + 1,
      wallMs: wallMs + 1,
      commitIndex: projection.committedIndex,
      previousHash: log.lastHash,
    })
    const client = this.#writer.client(Buffer.alloc(16), '')
    const value = this.#value
    for (let slot = 0; slot < count; slot++) {
      const key = Buffer.from(`key-${(firstIndex + slot) % 100}`)
      const previous = projection.stage(
        Operation.SET,
        key,
        0,
        key.length,
        positionOf(firstIndex + slot, slot),
      )
      this.#writer.add(Operation.SET, 0, key, 0, key.length, value, 0, value.length, previous, client, 0)
    }
    const record = this.#writer.finish()
    log.append(record)
    projection.stagedTo(record.lastIndex)
  }
}

test('a trim gives the space back, and appends go on meanwhile', async t => {
  const dir = await temporaryFolder(t)
  const { store, log, projection, context } = await open(dir)
  t.teardown(() => store.close())
  const filler = new Filler()
  for (let i = 0; i < 200; i++) {
    filler.append(projection, 128)
    if (i % 20 === 0) await store.flush()
  }
  await store.flush()
  projection.commit(log.lastIndex)
  const before = await sizeOf(dir)
  t.true(before > 20_000_000)
  const index = log.lastIndex - 128
  let done = false
  const trimmed = trimLog({ ...context, projection, index, writtenMs: 1 }).then(() => {
    done = true
  })
  let appended = 0
  while (!done) {
    if (appended < 20) filler.append(projection, 1)
    appended += 1
    await store.flush()
    projection.commit(log.lastIndex)
    await new Promise(resolve => setImmediate(resolve))
  }
  await trimmed
  t.true(appended > 0)
  t.is(log.baseIndex, index)
  const after = await sizeOf(dir)
  // LevelDB's write-ahead file, and what it has not yet put together.
  t.true(after < before / 2, `${before} bytes before, ${after} after`)
})
