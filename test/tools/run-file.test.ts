import test from 'ava'
import fc from 'fast-check'
import {
  linesOf,
  MalformedLine,
  operationsOf,
  parseRunLine,
  type RunOperation,
} from '../../tools/run-file.js'

function parse(text: string) {
  return parseRunLine(Buffer.from(text), 7)
}

async function* chunks(...parts: Buffer[]) {
  yield* parts
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

test('A set has a key and a value, which is the rest of the line', t => {
  t.deepEqual(parse('set kai part-time, since May '), {
    kind: 'set',
    line: 7,
    key: Buffer.from('kai'),
    value: Buffer.from('part-time, since May '),
  })
})

test('A get and a delete have a key', t => {
  t.deepEqual(parse('get kai'), { kind: 'get', line: 7, key: Buffer.from('kai') })
  t.deepEqual(parse('delete kai'), { kind: 'delete', line: 7, key: Buffer.from('kai') })
})

test('The other names of the commands, any case, tabs and Windows line ends are understood', t => {
  t.is(parse('put a b')?.kind, 'set')
  t.is(parse('del a')?.kind, 'delete')
  t.is(parse('RM a')?.kind, 'delete')
  t.deepEqual(parse('  Set\ta\tb c\r'), {
    kind: 'set',
    line: 7,
    key: Buffer.from('a'),
    value: Buffer.from('b c'),
  })
})

test('Blank lines and comments hold no operation', t => {
  for (const text of ['', '   ', '\r', '# set a b', '  #x']) t.is(parse(text), undefined)
})

const malformed: [text: string, message: RegExp][] = [
  ['frobnicate a', /expected "set KEY VALUE", "get KEY" or "delete KEY": frobnicate a$/],
  ['set', /set without a key/],
  ['set a', /set without a value/],
  ['set a ', /set without a value/],
  ['get', /get without a key/],
  ['get a b', /get takes a key alone: get a b$/],
  ['delete a b', /delete takes a key alone/],
  [`get ${'k'.repeat(4097)}`, /key of 4097 bytes, allowed are at most 4096/],
  [`set k ${'v'.repeat(1_048_577)}`, /value of 1048577 bytes, allowed are at most 1048576/],
]

for (const [text, message] of malformed) {
  test(`"${text.slice(0, 20)}" is malformed; the error knows the line and is one line itself`, t => {
    const error = t.throws(() => parse(text), { instanceOf: MalformedLine, message })
    t.is(error.line, 7)
    t.true(error.message.length < 300)
  })
}

test('Lines come out the same however the bytes are cut into chunks', async t => {
  const lines = fc.array(
    fc.uint8Array({ maxLength: 8 }).map(bytes => Buffer.from(bytes.filter(byte => byte !== 10))),
  )
  await fc.assert(
    fc.asyncProperty(lines, fc.integer({ min: 1, max: 5 }), async (given, size) => {
      const file = Buffer.concat(given.flatMap(line => [line, Buffer.from('\n')]))
      const parts = Array.from({ length: Math.ceil(file.length / size) }, (_, i) =>
        file.subarray(i * size, (i + 1) * size),
      )
      t.deepEqual(await collect(linesOf(chunks(...parts))), given)
    }),
  )
})

test('Bytes that are not UTF-8 are kept as they are', async t => {
  const file = Buffer.concat([
    Buffer.from('set '),
    Buffer.of(0xff, 0xa0),
    Buffer.from(' '),
    Buffer.of(0xc3, 0x28),
  ])
  const [operation] = (await collect(operationsOf(chunks(file)))) as [RunOperation & { kind: 'set' }]
  t.deepEqual(operation.key, Buffer.of(0xff, 0xa0))
  t.deepEqual(operation.value, Buffer.of(0xc3, 0x28))
})

test('What stands before a malformed line is handed out first', async t => {
  const seen: number[] = []
  const run = async () => {
    for await (const { line } of operationsOf(chunks(Buffer.from('set a 1\n\nget a\nnonsense\nget b\n'))))
      seen.push(line)
  }
  const error = await t.throwsAsync(run, { instanceOf: MalformedLine })
  t.is(error?.line, 4)
  t.deepEqual(seen, [1, 3])
})
