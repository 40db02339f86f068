/** Histories on disk: what is written is read, and what is none is refused by file and line. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readEntries, writeEntries } from '../../tools/history/entries-file.js'
import { HistoryWriter, readHistory } from '../../tools/history/history-file.js'
import { at, del, get, logged, set } from './support/operations.js'

function newFile(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'varve-history-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'history.jsonl')
}

test('a history is read as it was written', t => {
  const file = newFile(t)
  const operations = [
    set('a "quoted"\nvalue', 0.125, 1, { position: at(1), node: '127.0.0.1:1' }),
    get(null, 1, 2, { outcome: 'failed', error: 'UNAVAILABLE: nobody' }),
    del(2, null),
    set('late', 4, 5, { intendedMs: 3.5 }),
    get(null, 5, 6, { type: 'scan' }),
  ]
  const writer = new HistoryWriter(file, 'CLOCK_MONOTONIC', { seed: 7 })
  for (const each of operations) writer.write(each)
  writer.close()
  writer.close()
  const history = readHistory(file)
  t.deepEqual(history.operations, operations)
  t.like(history.header, { format: 'varve-history', version: 2, clock: 'CLOCK_MONOTONIC' })
  t.deepEqual(history.header.about, { seed: 7 })
  t.false(history.isCutShort)
  t.throws(() => writer.write(operations[0]!), { instanceOf: TypeError })
})

test('many operations reach the file before it is closed', t => {
  const file = newFile(t)
  const writer = new HistoryWriter(file, 'any')
  for (let at = 0; at < 5_000; at += 1) writer.write(set(`v${at}`, at, at + 1))
  t.true(readFileSync(file, 'utf8').length > 100_000)
  writer.close()
  t.is(readHistory(file).operations.length, 5_000)
})

test('a last line that is not complete is left out, and said', t => {
  const file = newFile(t)
  const writer = new HistoryWriter(file, 'any')
  writer.write(set('a', 0, 1))
  writer.close()
  appendFileSync(file, '{"client":"c1","id":')
  const history = readHistory(file)
  t.is(history.operations.length, 1)
  t.true(history.isCutShort)
})

test('a history of version 1 is read as well', t => {
  const file = newFile(t)
  const operation = set('a', 0, 1)
  const header = { format: 'varve-history', version: 1, clock: 'any', about: {} }
  writeFileSync(file, `${JSON.stringify(header)}\n${JSON.stringify(operation)}\n`)
  const history = readHistory(file)
  t.is(history.header.version, 1)
  t.deepEqual(history.operations, [operation])
})

test('what is no history is refused by file and line', t => {
  const file = newFile(t)
  const header = JSON.stringify({ format: 'varve-history', version: 1, clock: '', about: {} })
  const line = JSON.stringify(set('a', 0, 1))
  const cases: [string, RegExp][] = [
    ['', /line 1: not JSON/],
    ['{"format":"other"}\n', /the first line has the format "other", expected "varve-history"/],
    [header.replace('"version":1', '"version":9'), /version 9 of the history format, expected 1 or 2/],
    [`${header}\n${line}\nnonsense\n`, /line 3: not JSON/],
    [`${header}\n[]\n`, /line 2: \[\] is not an object/],
    [`${header}\n${line.replace('"set"', '"put"')}\n`, /line 2: "type" is "put"/],
    [
      `${header}\n${line.replace('"invokedMs"', '"intendedMs":"x","invokedMs"')}\n`,
      /line 2: "intendedMs" is "x"/,
    ],
    [`${header}\n${line.replace('"key"', '"kee"')}\n`, /line 2: "key" is missing/],
  ]
  for (const [text, expected] of cases) {
    writeFileSync(file, text)
    const error = t.throws(() => readHistory(file))
    t.regex(error.message, expected)
    t.true(error.message.includes(file))
  }
})

test('entries are read as they were written, and what is no entry is refused', t => {
  const file = newFile(t)
  const entries = [logged(1, 'a', { request: 'x/1' }), logged(2, null), logged(3, null, { type: 'other' })]
  writeEntries(file, 'log', entries)
  t.deepEqual(readEntries(file), entries)
  writeEntries(file, 'orphans', [])
  t.deepEqual(readEntries(file), [])
  appendFileSync(file, '{"shard":"shard_0"}\n')
  t.throws(() => readEntries(file), { message: /line 2: no entry/ })
  writeFileSync(file, '{"format":"varve-history","version":1}\n')
  t.throws(() => readEntries(file), {
    message: /format "varve-history", version 1; expected "varve-entries", 1/,
  })
})
