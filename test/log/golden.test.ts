/**
 * Bytes of format version 1, as they were written once. Every later version must read them, and as long as version 1 is
 * what is written, write them.
 */
import { cp, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { EntryFlag, Operation, positionOf } from '../../src/log/entry.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { decodeState, encodeState } from '../../src/log/log-state.js'
import { nullLogger } from '../../src/log/logger.js'
import { LogRecord } from '../../src/log/record-codec.js'
import { ZERO_CLIENT_ID } from '../../src/log/record-layout.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { collect, temporaryFolder } from './record-chain.js'

const FIXTURES = fileURLToPath(new URL('../fixtures/log-format-v1/', import.meta.url))

async function golden(name: string): Promise<Buffer> {
  const text = await readFile(`${FIXTURES}${name}`, 'utf8')
  return Buffer.from(text.replace(/\s/g, ''), 'hex')
}

const LOG_ID = '5eed0000000000000000000000000001'
const CLIENT = Buffer.from('0000000000001000deadbeefcafe0001', 'hex')

/** The record of the fixture, built from its meaning. */
function goldenRecord(): LogRecord {
  const writer = new RecordWriter()
  writer.begin({
    logId: LOG_ID,
    shard: 2,
    epoch: 7,
    firstIndex: 1_099_511_000_000,
    lamport: 2 ** 52 - 10,
    wallMs: 1_700_000_000_123,
    commitIndex: 1_099_510_999_999,
    previousHash: Buffer.alloc(32, 0xa5),
  })
  const add = (
    operation: Operation,
    flags: number,
    key: string,
    value: string,
    previous: number,
    client: number,
  ) => {
    const [k, v] = [Buffer.from(key), Buffer.from(value)]
    const sequence = client === 0 ? 0 : 2 ** 40 + writer.count
    writer.add(operation, flags, k, 0, k.length, v, 0, v.length, previous, client, sequence)
  }
  const nobody = writer.client(ZERO_CLIENT_ID, '')
  const ada = writer.client(CLIENT, 'ada ✓')
  add(Operation.EPOCH, 0, '', 'configuration', 0, nobody)
  add(Operation.SET, EntryFlag.BATCH_CONTINUES, 'user/7', 'Ada Lovelace', positionOf(42, 17), ada)
  add(Operation.DELETE, 0, 'user/8', '', positionOf(1_099_511_000_001, 1), ada)
  add(Operation.NOOP, EntryFlag.REFUSED, 'user/9', '', 0, ada)
  add(Operation.SET, 0, 'ключ', '', 0, nobody)
  return writer.finish()
}

test('the golden record is written, byte for byte', async t => {
  t.is(goldenRecord().bytes.toString('hex'), (await golden('record.hex')).toString('hex'))
})

test('the golden record is read, and hashes as it did', async t => {
  const record = LogRecord.decode(await golden('record.hex'))
  t.deepEqual(record.hash, await golden('record-sha256.hex'))
  const { previousHash, ...header } = record.header
  t.deepEqual(header, {
    logId: LOG_ID,
    shard: 2,
    epoch: 7,
    firstIndex: 1_099_511_000_000,
    count: 5,
    lamport: 2 ** 52 - 10,
    wallMs: 1_700_000_000_123,
    commitIndex: 1_099_510_999_999,
  })
  t.deepEqual(previousHash, Buffer.alloc(32, 0xa5))
  t.deepEqual(record.entry(1), {
    index: 1_099_511_000_001,
    epoch: 7,
    stamp: { lamport: 2 ** 52 - 9, wallMs: 1_700_000_000_123 },
    operation: Operation.SET,
    key: Buffer.from('user/7'),
    value: Buffer.from('Ada Lovelace'),
    previous: positionOf(42, 17),
    clientId: CLIENT,
    sequence: 2 ** 40 + 1,
    actor: 'ada ✓',
    batchContinues: true,
    refused: false,
    record: 1_099_511_000_000,
  })
  t.deepEqual(
    [0, 1, 2, 3, 4].map(slot => record.operation(slot)),
    [Operation.EPOCH, Operation.SET, Operation.DELETE, Operation.NOOP, Operation.SET],
  )
  t.true(record.entry(3).refused)
  t.is(record.key(4).toString(), 'ключ')
})

test('the golden epoch table is read and written, byte for byte', async t => {
  const bytes = await golden('epoch-table.hex')
  const state = decodeState(bytes, 2)
  t.deepEqual(state, {
    logId: LOG_ID,
    adoptedEpoch: 9,
    spans: [
      { epoch: 3, startIndex: 1, endIndex: 512, endHash: Buffer.alloc(32, 0x11) },
      { epoch: 7, startIndex: 513, endIndex: 0, endHash: Buffer.alloc(32) },
    ],
  })
  t.is(encodeState(state).toString('hex'), bytes.toString('hex'))
})

test('the golden data folder opens, and holds what was put in', async t => {
  const dir = await temporaryFolder(t)
  await cp(`${FIXTURES}data-folder`, dir, { recursive: true })
  const store = await LevelLogStore.open({ dir, logger: nullLogger, clusterId: 'golden' })
  t.teardown(() => store.close())
  t.deepEqual(store.shards(), [0, 3])
  t.is(store.log(0).adoptedEpoch, 5)
  const log = store.log(3)
  t.is(log.lastIndex, 6)
  t.is(log.logId, LOG_ID)
  t.deepEqual(
    log.epochs.map(({ epoch, startIndex, lastIndex }) => [epoch, startIndex, lastIndex]),
    [
      [1, 1, 4],
      [2, 5, 6],
    ],
  )
  const describe = (record: LogRecord) => {
    return Array.from({ length: record.count }, (_, slot) => `${record.key(slot)}=${record.value(slot)}`)
  }
  t.deepEqual((await collect(log.records(1))).flatMap(describe), [
    'key-1=value-1',
    'key-2=value-2',
    'key-3=value-3',
    'key-4=value-4',
    'key-5=value-5',
    'key-6=value-6',
  ])
  t.deepEqual((await collect(log.orphans())).flatMap(describe), [
    'key-5=value-5',
    'key-6=value-6',
    'key-7=value-7',
  ])
  t.is(store.getMeta('address')?.toString(), '127.0.0.1:5001')
  t.is(Buffer.concat(await collect(store.blobs.read('checkpoint/3/4')!)).toString(), 'a checkpoint')
})
