import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { VarveError } from '../../src/client/errors.js'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import type { BatchRequest, BatchResponse } from '../../src/generated/varve/v1/kv.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { type ImportUnit, IN_FLIGHT_MAX, importId, newIds, UnitGatherer } from '../../tools/import-plan.js'
import { writeUnits } from '../../tools/import-writes.js'
import type { LogLine, OperationName } from '../../tools/log-line.js'
import { type SliceEntry, type SliceHeader, SliceWriter } from '../../tools/log-slice.js'
import { isHeader, readSlice } from '../../tools/log-slice-reader.js'
import { Random } from '../../tools/random.js'
import { tempFolder } from './temp-folder.js'
import { varve } from './varve-command.js'

const LOG_ID = '00112233445566778899aabbccddeeff'
const HEADER: SliceHeader = { shard: 'shard_0', logId: LOG_ID, fromIndex: 1, toIndex: 100, prefix: '' }

function line(index: number, changes: Partial<LogLine> = {}): LogLine {
  return {
    shard: 'shard_0',
    index,
    epoch: 1,
    lamport: index * 3,
    wallMs: 1_700_000_000_000 + index,
    committed: true,
    operation: 'set',
    key: Buffer.from(`key-${index}`),
    value: Buffer.from(`value-${index}`),
    previous: 0,
    clientId: Buffer.alloc(16, index),
    sequence: index,
    actor: 'ada',
    batchContinues: false,
    refused: false,
    record: index,
    ...changes,
  }
}

/** The lines as a file, all of them taken unless told otherwise. */
function fileOf(
  t: ExecutionContext,
  lines: readonly LogLine[],
  isWanted: (line: LogLine) => boolean = () => true,
): string {
  const writer = new SliceWriter()
  const parts = [
    writer.header(HEADER),
    ...lines.map(each => writer.entry(each, isWanted(each))),
    writer.end(),
  ]
  const file = join(tempFolder(t), 'slice.ndjson')
  writeFileSync(file, parts.join(''))
  return file
}

async function entriesIn(file: string): Promise<SliceEntry[]> {
  const entries: SliceEntry[] = []
  for await (const item of readSlice(file)) if (!isHeader(item)) entries.push(item)
  return entries
}

test('A slice is read back as it was written, whatever bytes keys and values have', async t => {
  const random = new Random(4)
  const bytes = (least: number) =>
    Buffer.from(Array.from({ length: least + Math.floor(random.next() * 40) }, () => random.next() * 256))
  const names: OperationName[] = ['set', 'delete', 'epoch', 'noop']
  const lines = Array.from({ length: 100 }, (_, at) => {
    const operation = names[Math.floor(random.next() * names.length)]!
    const isData = operation === 'set' || operation === 'delete'
    const key = isData ? bytes(1) : Buffer.alloc(0)
    const value = operation === 'set' || operation === 'epoch' ? bytes(0) : Buffer.alloc(0)
    return line(at + 1, { operation, key, value, actor: at % 2 === 0 ? '' : 'Ü', refused: at % 7 === 0 })
  })
  const entries = await entriesIn(fileOf(t, lines))
  t.deepEqual(
    entries.map(each => each.line),
    lines,
  )
})

test('The same slice makes the same file, so that two can be compared', t => {
  const [first, second] = [fileOf(t, [line(1), line(2)]), fileOf(t, [line(1), line(2)])]
  t.deepEqual(readFileSync(first), readFileSync(second))
})

test('A file that was cut off, shortened, changed or added to is refused, with the line', async t => {
  const file = fileOf(t, [line(1), line(2), line(3)])
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const wrong: [string, string[], RegExp][] = [
    ['cut off', lines.slice(0, 3), /slice\.ndjson:4: the file ends after 2 entries, expected an end line/],
    ['empty', [], /slice\.ndjson:1: an empty file/],
    ['a line is missing', [lines[0]!, lines[1]!, ...lines.slice(3)], /:4: an end line for 3 entries after 2/],
    ['changed', lines.map(each => each.replace('value-2', 'value-9')), /:5: an end line whose digest is not/],
    ['added to', [...lines, '{}'], /:6: something behind the end line/],
    ['no header', lines.slice(1), /:1: no header of an exported log/],
    ['newer', lines.map(each => each.replace('"version":1', '"version":2')), /:1: version 2, expected 1/],
    ['out of order', [lines[0]!, lines[2]!, lines[1]!], /:3: index: 1 given, expected a whole number from 3/],
    ['torn inside', [...lines.slice(0, 2), lines[2]!.slice(0, 20)], /:3: ".*" given, expected a JSON object/],
    [
      'operation',
      [lines[0]!, lines[1]!.replace('"set"', '"put"')],
      /:2: operation: "put" given, expected set/,
    ],
    ['no key', [lines[0]!, lines[1]!.replace('"key"', '"kee"')], /:2: key: nothing given, expected a text/],
    ['base64', [lines[0]!, lines[1]!.replace('"key"', '"keyBase64":"!","key"')], /:2: keyBase64: "!" given/],
    ['actor', [lines[0]!, lines[1]!.replace('"ada"', '7')], /:2: actor: 7 given, expected a text/],
  ]
  for (const [what, changed, message] of wrong) {
    writeFileSync(file, changed.map(each => `${each}\n`).join(''))
    await t.throwsAsync(entriesIn(file), { message }, what)
  }
})

function gather(entries: readonly SliceEntry[], shardCount = 1, splitBatches = false): ImportUnit[] {
  const gatherer = new UnitGatherer({ header: HEADER, shardCount, splitBatches })
  return [...entries.flatMap(entry => gatherer.add(entry)), ...gatherer.end()]
}

test('Batches stay batches, also where a prefix left out some of their entries', async t => {
  const key = (name: string) => ({ key: Buffer.from(name) })
  const lines = [
    line(1),
    line(2, { ...key('a/1'), batchContinues: true }),
    line(3, { ...key('b/1'), batchContinues: true }),
    line(4, key('a/2')),
    line(5, { ...key('a/3'), batchContinues: true }),
    line(6, key('b/3')),
    line(7, { operation: 'noop', key: Buffer.alloc(0), value: Buffer.alloc(0) }),
    line(8, { operation: 'set', key: Buffer.from('\0varve/tag/{1}/x') }),
  ]
  const all = gather(await entriesIn(fileOf(t, lines)))
  t.deepEqual(
    all.map(unit => unit.lines.map(({ index }) => index)),
    [[1], [2, 3, 4], [5, 6]],
  )
  const some = gather(await entriesIn(fileOf(t, lines, each => each.key.toString().startsWith('a/'))))
  t.deepEqual(
    some.map(unit => unit.lines.map(({ index }) => index)),
    [[2, 4], [5]],
  )
})

test('A batch that falls into several shards is refused, or split where that is asked for', async t => {
  const names = ['one', 'two', 'three', 'four'].map(name => Buffer.from(name))
  t.is(new Set(names.map(key => shardOfKey(key, 4))).size > 1, true)
  const lines = names.map((key, at) => line(at + 1, { key, batchContinues: at < 3 }))
  const entries = await entriesIn(fileOf(t, lines))
  t.throws(() => gather(entries, 4), {
    message: /batch of shard_0\/1 to 4: its keys fall into .*--split-batches/,
  })
  t.is(gather(entries, 4, true).length, 4)
})

test('Request ids say which entry of which log it is, and begin with a time that it has seen', t => {
  const ids = new Set<string>()
  for (const logId of [LOG_ID, LOG_ID.replaceAll('0', 'f')]) {
    for (const shard of ['shard_0', 'shard_1']) {
      for (const [index, lamport] of [
        [1, 1],
        [2, 32_768],
        [3, 32_769],
        [3_000_000, 5_000_000],
      ] as const) {
        const { clientId, sequence } = importId({ logId, shard }, { index, lamport })
        t.is(clientId.length, 16)
        t.true(clientId.readBigUInt64BE(0) <= BigInt(lamport) && clientId.readBigUInt64BE(0) > 0n)
        ids.add(`${clientId.toString('hex')}/${sequence}`)
      }
    }
  }
  t.is(ids.size, 16)
  t.deepEqual(importId(HEADER, line(7)), importId(HEADER, line(7)))
  t.notDeepEqual(newIds(5)(line(7)), newIds(5)(line(7)))
})

/** What a shard answers for a write at that index. */
function answerAt(index: number): BatchResponse {
  const position = { shard: 'shard_0', epoch: 1, index, stamp: undefined, committed: true }
  return { results: [{ position, applied: true, previous: undefined }] }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

test('Units of one key are written one after the other, others at once, and not too many of them', async t => {
  const lines = Array.from({ length: 2_000 }, (_, at) =>
    line(at + 1, { key: Buffer.from(`key-${at % 700}`) }),
  )
  const units = gather(lines.map(each => ({ line: each, batch: 0 })))
  const busy = new Set<string>()
  const order = new Map<string, number[]>()
  let most = 0
  const write = async (_shard: number, { context, operations }: BatchRequest) => {
    const key = operations[0]!.key.toString()
    t.false(busy.has(key))
    busy.add(key)
    most = Math.max(most, busy.size)
    order.set(key, [...(order.get(key) ?? []), context!.requestId!.sequence])
    await new Promise(resolve => setImmediate(resolve))
    busy.delete(key)
    return answerAt(10)
  }
  const figures = { written: 0, known: 0 }
  await writeUnits(each(units), { write, lastIndexes: [9], timeoutMs: 1_000, actor: '' }, figures, () => {})
  t.is(figures.written, 2_000)
  t.true(most > 1 && most <= IN_FLIGHT_MAX, `${most}`)
  for (const indexes of order.values())
    t.deepEqual(
      indexes,
      [...indexes].sort((a, b) => a - b),
    )
})

test('A write that may work later is tried again; any other error ends the import after what is under way', async t => {
  let calls = 0
  const units = gather(Array.from({ length: 20 }, (_, at) => ({ line: line(at + 1), batch: 0 })))
  const busy = async () => {
    calls += 1
    if (calls <= 20) throw new VarveError('NOT_HEAD', 'it moved')
    return answerAt(1)
  }
  const figures = { written: 0, known: 0 }
  const target = { lastIndexes: [1], timeoutMs: 10_000, actor: '' }
  await writeUnits(each(units), { ...target, write: busy }, figures, () => {})
  t.deepEqual(figures, { written: 0, known: 20 })
  const refused = async () => {
    throw new VarveError('SESSION_EXPIRED', 'too old')
  }
  await t.throwsAsync(
    writeUnits(each(units), { ...target, write: refused }, figures, () => {}),
    {
      message: /too old/,
    },
  )
})

test('What was exported from one cluster is imported into another, each entry once', async t => {
  await using source = await startLocalCluster()
  await using target = await startLocalCluster({ shards: 2 })
  const from = await connect([...source.endpoints], { actor: 'ada' })
  for (let round = 0; round < 3; round += 1) {
    for (const key of ['a', 'b', 'c', 'd']) await from.set(key, `${key}${round}`)
    await from.batch([
      { type: 'set', key: '{x}1', value: `${round}` },
      { type: 'delete', key: '{x}2' },
    ])
  }
  await from.delete('b')
  await from.close()
  const file = join(tempFolder(t), 'slice.ndjson')
  const exported = await varve(['log', 'export', '--out', file, '-e', source.endpoints[0]!])
  t.is(exported.exitCode, 0, exported.stderr)
  const to = ['-e', target.endpoints[0]!, '-o', 'json']
  const dry = await varve(['log', 'import', file, ...to])
  t.is(dry.exitCode, 0, dry.stderr)
  t.is(JSON.parse(dry.stdout).written, 0)
  const client = await connect([...target.endpoints])
  t.is(await client.get('a'), undefined, 'a dry run writes nothing')
  const done = await varve(['log', 'import', file, '--yes', ...to])
  t.like(JSON.parse(done.stdout), { written: 19, known: 0 }, done.stderr)
  const found: string[] = []
  for await (const { key, value } of client.scan()) found.push(`${key} ${value}`)
  t.deepEqual(found, ['a a2', 'c c2', 'd d2', '{x}1 2'])
  await client.set('a', 'since')
  const again = await varve(['log', 'import', file, '--yes', ...to])
  t.like(JSON.parse(again.stdout), { written: 0, known: 19 }, again.stderr)
  t.is(await client.get('a'), 'since', 'what was imported before is not written over what came since')
  await client.close()
  // The other way round: what an import wrote is exported with who wrote it first, and with its batches.
  const back = await varve(['log', 'export', '--shard', 'shard_0', '-e', target.endpoints[0]!])
  const other = await varve(['log', 'export', '--shard', 'shard_1', '-e', target.endpoints[0]!])
  const lines = `${back.stdout}${other.stdout}`.trim().split('\n')
  const written = lines.map(each => JSON.parse(each) as { actor?: string; batch?: number })
  t.is(written.filter(({ actor }) => actor === 'ada').length, 19)
  t.is(written.filter(({ batch }) => batch !== undefined).length, 6)
})
