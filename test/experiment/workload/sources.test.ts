/** What clients do: in which mix, with which values, and the same for the same seed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { FileSource, readRunFile } from '../../../tools/experiment/workload/file-source.js'
import { GeneratedSource } from '../../../tools/experiment/workload/generated-source.js'
import type { LoadOperation } from '../../../tools/experiment/workload/operations.js'
import type { MixedWorkload, YcsbWorkload } from '../../../tools/experiment/workload/workload.js'
import { mixed, runFile, ycsb } from './support.js'

/** All operations of one client. */
function operationsOf(workload: MixedWorkload | YcsbWorkload, seed = 1, client = 0): LoadOperation[] {
  const source = new GeneratedSource(workload, seed)
  return [...take(() => source.next(client))]
}

function* take(next: () => LoadOperation | undefined): Generator<LoadOperation> {
  for (let operation = next(); operation !== undefined; operation = next()) yield operation
}

function share(all: readonly LoadOperation[], ...types: LoadOperation['type'][]): number {
  return all.filter(({ type }) => types.includes(type)).length / all.length
}

function isNear(given: number, expected: number, count: number): boolean {
  return Math.abs(given - expected) <= 10 * Math.sqrt((expected * (1 - expected)) / count)
}

const workloads = [
  mixed({ deleteShare: 0.2 }),
  mixed({ kind: 'hot-cold' }),
  ...['A', 'B', 'C', 'D', 'E', 'F'].map(name => ycsb(name, { records: 50 })),
]

test('the same seed gives each client the same operations, whoever asks first', t => {
  for (const workload of workloads) {
    const four = { ...workload, clients: 4 }
    const alone = operationsOf(four, 5, 2)
    const source = new GeneratedSource(four, 5)
    const among: LoadOperation[] = []
    for (let turn = 0; turn < 1_000; turn += 1) {
      source.next(turn % 2)
      const operation = source.next(2)
      if (operation !== undefined) among.push(operation)
    }
    t.is(alone.length, 250)
    t.deepEqual(among, alone)
  }
})

test('other clients and other seeds do other things', t => {
  for (const workload of workloads) {
    const keys = [
      operationsOf({ ...workload, clients: 2 }, 5, 0),
      operationsOf({ ...workload, clients: 2 }, 5, 1),
      operationsOf({ ...workload, clients: 2 }, 6, 0),
    ].map(all => all.map(({ key }) => key).join())
    t.is(new Set(keys).size, 3, `${workload.kind}`)
  }
})

test('the operations are shared out among a fixed number of clients, to the last one', t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 40 }), (operations, clients) => {
      const source = new GeneratedSource(mixed({ operations, clients, connections: 1 }), 1)
      const counts = Array.from(
        { length: clients },
        (_, client) => [...take(() => source.next(client))].length,
      )
      t.is(
        counts.reduce((a, b) => a + b),
        operations,
      )
      t.true(Math.max(...counts) - Math.min(...counts) <= 1)
    }),
    { numRuns: 30 },
  )
})

test('the shares of reads, writes and deletes are those that were asked for', t => {
  const count = 20_000
  const all = operationsOf(mixed({ operations: count, writeShare: 0.3, deleteShare: 0.5 }))
  t.true(isNear(share(all, 'get'), 0.7, count))
  t.true(isNear(share(all, 'set'), 0.15, count))
  t.true(isNear(share(all, 'delete'), 0.15, count))
  t.is(new Set(all.map(({ key }) => key)).size, 400)
  const heavy = operationsOf(mixed({ kind: 'write-heavy', operations: count, deleteShare: 0 }))
  t.true(isNear(share(heavy, 'set'), 0.9, count))
})

test('no value is written twice, and all have the size that was asked for', t => {
  for (const valueSize of [16, 100]) {
    const source = new GeneratedSource(mixed({ writeShare: 1, clients: 3, valueSize, operations: 6_000 }), 1)
    const all = [0, 1, 2].flatMap(client => [...take(() => source.next(client))])
    const values = all.map(operation => (operation.type === 'set' ? operation.value : ''))
    t.is(new Set(values).size, 6_000)
    t.true(values.every(value => Buffer.byteLength(value) === valueSize))
    t.true(values[0]!.startsWith('c0/1 '))
  }
})

test('a prefix stands before every key', t => {
  for (const workload of workloads) {
    const all = operationsOf({ ...workload, keyPrefix: 'run-1/' })
    t.true(all.every(({ key }) => key.startsWith('run-1/')))
  }
})

const mixes: [string, Partial<Record<LoadOperation['type'], number>>][] = [
  ['A', { get: 0.5, set: 0.5 }],
  ['B', { get: 0.95, set: 0.05 }],
  ['C', { get: 1 }],
  ['D', { get: 0.95, set: 0.05 }],
  ['E', { scan: 0.95, set: 0.05 }],
  ['F', { get: 0.5, 'read-modify-write': 0.5 }],
]

for (const [name, mix] of mixes) {
  test(`YCSB ${name} has its mix`, t => {
    const count = 20_000
    const all = operationsOf(ycsb(name, { operations: count }))
    let sum = 0
    for (const [type, expected] of Object.entries(mix)) {
      const found = share(all, type as LoadOperation['type'])
      t.true(isNear(found, expected, count), `${type}: ${found}`)
      sum += found
    }
    t.is(Math.round(sum * count), count)
  })
}

test('YCSB D reads what was inserted last, most of all the newest', t => {
  const all = operationsOf(ycsb('D', { operations: 20_000 }))
  let newest = 'user0000000999'
  let readsOfNewest = 0
  const known = new Set(Array.from({ length: 1_000 }, (_, at) => `user${String(at).padStart(10, '0')}`))
  for (const { type, key } of all) {
    if (type === 'set') {
      t.false(known.has(key))
      known.add(key)
      newest = key
    } else if (key === newest) {
      readsOfNewest += 1
    }
    t.true(known.has(key))
  }
  // 1 / zeta(1000 to 2000, 0.99) is 0.129 to 0.118.
  t.true(readsOfNewest / 19_000 > 0.1 && readsOfNewest / 19_000 < 0.15, String(readsOfNewest))
})

test('clients of YCSB E insert keys that no other inserts, and scan one to a hundred keys', t => {
  const workload = ycsb('E', { operations: 9_000, clients: 3 })
  const all = [0, 1, 2].flatMap(client => operationsOf(workload, 1, client))
  const inserted = all.flatMap(each => (each.type === 'set' ? [each.key] : []))
  t.is(new Set(inserted).size, inserted.length)
  t.true(inserted.every(key => key >= 'user0000001000' && key.length === 14))
  const limits = all.flatMap(each => (each.type === 'scan' ? [each.limit] : []))
  t.deepEqual([Math.min(...limits), Math.max(...limits)], [1, 100])
})

function newFile(t: ExecutionContext, content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'varve-load-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'run.txt')
  writeFileSync(file, content)
  return file
}

test('a run file gives its operations in its order, as many as were asked for', async t => {
  const file = newFile(t, '# comment\nset a 1 and 2\n\nget b\ndelete a\n')
  const source = new FileSource(await readRunFile(runFile(file, { keyPrefix: 'x-' })))
  t.deepEqual(
    [...take(() => source.next())],
    [
      { type: 'set', key: 'x-a', value: '1 and 2' },
      { type: 'get', key: 'x-b' },
      { type: 'delete', key: 'x-a' },
    ],
  )
  t.is((await readRunFile(runFile(file, { operations: 2 }))).length, 2)
})

test('a run file that cannot be used is refused by its line', async t => {
  const cases: [string | Buffer, RegExp][] = [
    ['get a\nput\n', /run\.txt, line 2: set without a key, expected/],
    [Buffer.from('set a \xff\n', 'latin1'), /run\.txt, line 1: a value that is not UTF-8, expected text/],
    ['# nothing\n', /run\.txt: no operations, expected one a line/],
  ]
  for (const [content, message] of cases) {
    await t.throwsAsync(readRunFile(runFile(newFile(t, content))), { message })
  }
  await t.throwsAsync(readRunFile(runFile('/nowhere/run.txt')), { code: 'ENOENT' })
})
