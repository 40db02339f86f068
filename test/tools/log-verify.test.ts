import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Operation, positionOf } from '../../src/log/entry.js'
import { recordKey } from '../../src/log/level-keys.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { ZERO_CLIENT_ID, ZERO_HASH } from '../../src/log/record-layout.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { openProjection, saveCheckpoint } from '../../src/projection/checkpoint.js'
import { trimLog } from '../../src/projection/trim.js'
import type { VerifyReport } from '../../tools/log-verify-text.js'
import { fillFolder, flipBit, removeKeys, tearTail, withLevel } from '../log/damage.js'
import { LOG_ID } from '../log/record-chain.js'
import { runHere } from './run-here.js'
import { tempFolder } from './temp-folder.js'

/** Entries of a record: a number is a SET of key `k0` to `k4`, which hold the index; `wrong` has a wrong link. */
type Wanted = 'epoch' | 'set' | 'wrong'

/** A log of these records, each of one epoch, with links as they must be but where it is told otherwise. */
function logOf(records: readonly { epoch: number; entries: readonly Wanted[] }[]): LogRecord[] {
  const newest = new Map<string, number>()
  const writer = new RecordWriter()
  const log: LogRecord[] = []
  let index = 1
  for (const { epoch, entries } of records) {
    const last = log.at(-1)
    writer.begin({
      logId: LOG_ID,
      shard: 0,
      epoch,
      firstIndex: index,
      lamport: index,
      wallMs: 1_000 * (log.length + 1),
      commitIndex: index - 1,
      previousHash: last?.hash ?? ZERO_HASH,
    })
    const client = writer.client(ZERO_CLIENT_ID, '')
    for (const [slot, wanted] of entries.entries()) {
      const isEpoch = wanted === 'epoch'
      const key = Buffer.from(isEpoch ? '' : `k${index % 5}`)
      const value = Buffer.from(isEpoch ? '{"head":"a:1","members":[{"address":"a:1"}]}' : `value-${index}.`)
      const before = newest.get(key.toString()) ?? 0
      const previous = wanted === 'wrong' ? positionOf(3, 2) : isEpoch ? 0 : before
      const operation = isEpoch ? Operation.EPOCH : Operation.SET
      writer.add(operation, 0, key, 0, key.length, value, 0, value.length, previous, client, 0)
      if (!isEpoch) newest.set(key.toString(), positionOf(index, slot))
      index++
    }
    log.push(writer.finish())
  }
  return log
}

const sets = (count: number): Wanted[] => Array.from({ length: count }, () => 'set')

/** Indexes 1, 2 to 5, 6 to 11, 12, 13 to 16. */
const sound = () =>
  logOf([
    { epoch: 1, entries: ['epoch'] },
    { epoch: 1, entries: sets(4) },
    { epoch: 1, entries: sets(6) },
    { epoch: 3, entries: ['epoch'] },
    { epoch: 3, entries: sets(4) },
  ])

async function folderOf(t: ExecutionContext, records: LogRecord[], inTables = true): Promise<string> {
  const dir = join(tempFolder(t), 'node')
  await fillFolder(dir, records, inTables)
  return dir
}

async function verify(dir: string): Promise<{ exitCode: number | null; report: VerifyReport }> {
  const { exitCode, stdout, stderr } = await runHere(['log', 'verify', '--data', dir, '-o', 'json'])
  if (stdout === '') throw new Error(stderr)
  return { exitCode, report: JSON.parse(stdout) }
}

/** The damage that was told, in short. */
function places({ copies, nodes }: VerifyReport): string[] {
  const all = [...nodes.flatMap(({ damages }) => damages), ...copies.flatMap(({ damages }) => damages)]
  return all.map(({ index, lastIndex, what }) => `${index ?? ''}-${lastIndex ?? ''} ${what}`)
}

test.serial('a sound log is verified from its beginning, and how much that was is told', async t => {
  const dir = await folderOf(t, sound())
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 0)
  t.true(report.ok)
  t.deepEqual([report.entries, report.records, report.copies[0]!.keys], [16, 5, 5])
  t.deepEqual(places(report), [])
  const { stdout } = await runHere(['log', 'verify', '--data', dir])
  t.regex(stdout, /verified 16 entries in 5 records, [\d.]+ kB in .*\/s\): no damage\n$/)
})

test.serial('a flipped bit in a record is found, and placed at its record', async t => {
  const dir = await folderOf(t, sound())
  await flipBit(dir, 'value-4.', /\.ldb$/)
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 1)
  t.deepEqual(places(report), ['2-5 the record is damaged: its CRC does not match its bytes'])
  t.is(report.copies[0]!.damages[0]!.recordKey, recordKey(0, 1, 2).toString('hex'))
  t.is(report.entries, 12)
})

test.serial('a missing record is found, and placed from its first to its last index', async t => {
  const dir = await folderOf(t, sound())
  await removeKeys(dir, key => key.equals(recordKey(0, 1, 6)))
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 1)
  t.deepEqual(places(report), ['6-11 missing: epoch 1 ends at index 11'])
  const { stdout } = await runHere(['log', 'verify', '--data', dir])
  t.regex(stdout, /damaged: .*: 0\/6 to 11: missing: epoch 1 ends at index 11\n/)
})

test.serial('a flipped bit in the write-ahead file is found, and placed by file and byte', async t => {
  const dir = await folderOf(t, sound(), false)
  const { file, offset } = await flipBit(dir, 'value-4.', /\.log$/)
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 1)
  const [damage] = report.nodes[0]!.damages
  t.is(damage!.file, file)
  t.true(damage!.offset! < offset && offset < damage!.endOffset!)
  t.deepEqual(places(report).slice(1), ['2-5 missing: the next record begins at index 6'])
})

test.serial('a torn tail is placed by file and byte, and is no damage', async t => {
  const dir = await folderOf(t, sound(), false)
  const { file, size } = await tearTail(dir, 10)
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 0)
  t.is(report.copies[0]!.lastIndex, 12)
  const { torn } = report.nodes[0]!
  t.is(torn!.file, file)
  t.is(torn!.endOffset, size)
  const { stdout } = await runHere(['log', 'verify', '--data', dir])
  t.true(stdout.includes(`${file} ends within a write that begins at byte ${torn!.offset}`))
})

test.serial('a torn tail that held what a checkpoint says was committed is damage', async t => {
  const dir = await folderOf(t, sound().slice(0, 3))
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  const context = { log: store.log(0), blobs: store.blobs, logger: nullLogger }
  const projection = await openProjection(context)
  projection.commit(11)
  t.is(await saveCheckpoint(projection, context), 11)
  await store.close()
  t.is((await verify(dir)).report.copies[0]!.checkpoints, 1)
  await removeKeys(dir, key => key.equals(recordKey(0, 1, 6)))
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 1)
  t.deepEqual(places(report), [
    '11- a checkpoint of committed entries was written there, and the log ends at index 5',
  ])
})

test.serial(
  'wrong links, and epochs that do not begin as they must, are placed at their entries',
  async t => {
    const dir = await folderOf(
      t,
      logOf([
        { epoch: 1, entries: ['epoch', 'set', 'set', 'set'] },
        { epoch: 1, entries: ['set', 'set', 'wrong'] },
        { epoch: 2, entries: sets(2) },
      ]),
    )
    const { exitCode, report } = await verify(dir)
    t.is(exitCode, 1)
    t.deepEqual(places(report), [
      '7-7 the entry of its key that it names as the one before is not that one',
      '8-8 epoch 2 does not begin with an EPOCH entry',
    ])
    const [link] = report.copies[0]!.damages
    t.deepEqual([link!.expected, link!.found], ['index 2 (slot 1)', 'index 3 (slot 2)'])
  },
)

test.serial('a log that another one took the place of, record by record, is found by its hashes', async t => {
  const records = sound()
  const dir = await folderOf(t, records)
  const other = logOf([
    { epoch: 1, entries: ['epoch'] },
    { epoch: 1, entries: sets(3) },
    { epoch: 1, entries: sets(1) },
    { epoch: 1, entries: sets(6) },
  ])
  await withLevel(dir, level => level.put(recordKey(0, 1, 6), other[3]!.bytes))
  const { report } = await verify(dir)
  t.regex(places(report).join('; '), /6-11 it does not continue the record before it/)
  t.regex(places(report).join('; '), /11-11 its hash is not the one that was noted when epoch 1 ended/)
})

test.serial(
  'what is damaged is left out with --skip-damaged, which says where, and nothing is made up',
  async t => {
    const dir = await folderOf(t, sound())
    await flipBit(dir, 'value-4.', /\.ldb$/)
    const strict = await runHere(['log', 'cat', '--data', dir, '-o', 'ndjson'])
    t.is(strict.exitCode, 1)
    t.is(strict.stdout.split('\n').length - 1, 1)
    t.regex(strict.stderr, /^varve: 0, indexes 2 to 5: the record is damaged: its CRC does not match/)
    for (const order of [[], ['--reverse']]) {
      const skipping = await runHere([
        'log',
        'cat',
        '--data',
        dir,
        '--skip-damaged',
        '-o',
        'ndjson',
        ...order,
      ])
      t.is(skipping.exitCode, 1)
      t.regex(skipping.stderr, /^varve: damaged: 0, indexes 2 to 5: .*; going on behind it\n$/)
      const indexes = skipping.stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).index)
      const expected = [1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
      t.deepEqual(indexes, order.length === 0 ? expected : expected.reverse())
    }
    const stat = await runHere(['log', 'stat', '--data', dir, '--skip-damaged', '-o', 'json'])
    t.is(JSON.parse(stat.stdout).shards[0].entries, 12)
    const from = await runHere([
      'log',
      'cat',
      '--data',
      dir,
      '--skip-damaged',
      '--from',
      'lamport:4',
      '--limit',
      '1',
    ])
    t.regex(from.stdout, /0\/6 /)
  },
)

/** A folder whose log is kept from index 11 on. */
async function trimmedFolder(t: ExecutionContext): Promise<string> {
  const dir = await folderOf(t, sound())
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  const context = { log: store.log(0), blobs: store.blobs, logger: nullLogger }
  const projection = await openProjection(context)
  await trimLog({ ...context, projection, index: 11, writtenMs: Date.UTC(2026, 10, 20) })
  await store.log(0).cleared()
  await store.close()
  await (await LevelLogStore.open({ dir, logger: nullLogger })).close()
  return dir
}

test.serial('a log that is kept from a base is read from there, and the base is verified', async t => {
  const dir = await trimmedFolder(t)
  const { exitCode, report } = await verify(dir)
  t.deepEqual([exitCode, places(report)], [0, []])
  t.deepEqual([report.entries, report.copies[0]!.baseIndex, report.copies[0]!.keys], [5, 11, 5])
  const cat = await runHere(['log', 'cat', '--data', dir, '--limit', '1'])
  t.regex(cat.stdout, /0\/12 /)
  for (const from of ['3', 'lamport:11', '1970-01-01']) {
    const { exitCode, stdout, stderr } = await runHere(['log', 'cat', '--data', dir, '--from', from])
    t.deepEqual([exitCode, stdout], [1, ''])
    const horizon =
      'history of 0 before 1970-01-01T00:00:03.000Z (index 11) was dropped by retention on 2026-11-20'
    t.true(stderr.startsWith(`varve: ${horizon}`), stderr)
  }
  const stat = JSON.parse((await runHere(['log', 'stat', '--data', dir, '-o', 'json'])).stdout).shards[0]
  t.deepEqual([stat.entries, stat.baseIndex, stat.baseSizeBytes > 0], [5, 11, true])
})

test.serial('a flipped bit in a base is found', async t => {
  const dir = await trimmedFolder(t)
  await flipBit(dir, 'value-9.', /\.ldb$/)
  const { exitCode, report } = await verify(dir)
  t.is(exitCode, 1)
  t.regex(places(report).join(), /^11- .*is damaged/)
  t.is(report.entries, 5)
})

test.serial("folders that are no node's are refused in one line", async t => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const cases: [string, RegExp][] = [
    [join(folder, 'nowhere'), /there is no such folder: expected a cluster's or a node's/],
    [join(folder, 'file'), /that is a file: expected a cluster's folder or a node's/],
    [folder, /holds other files \(file, say\): expected the folder of a cluster/],
  ]
  for (const [data, message] of cases) {
    for (const command of ['cat', 'stat', 'verify', 'tail']) {
      const { exitCode, stdout, stderr } = await runHere(['log', command, '--data', data])
      t.deepEqual([exitCode, stdout], [2, ''], command)
      t.regex(stderr, message)
      t.is(stderr.split('\n').length, 2)
    }
  }
  rmSync(join(folder, 'file'))
  t.regex(
    (await runHere(['log', 'cat', '--data', folder])).stderr,
    /is empty: expected the folder of a cluster/,
  )
  const newer = await folderOf(t, sound().slice(0, 1))
  await withLevel(newer, async level => {
    const { META, namedKey } = await import('../../src/log/level-keys.js')
    const { seal } = await import('../../src/log/level-facts.js')
    const key = namedKey(META, 'format', 1_000)
    await level.put(key, seal(key, Buffer.of(99)))
  })
  const { exitCode, stderr } = await runHere(['log', 'verify', '--data', newer])
  t.is(exitCode, 2)
  t.regex(stderr, /format version 99, this software reads up to \d+: upgrade/)
})
