import test from 'ava'
import { Operation } from '../../src/log/entry.js'
import { ZERO_HASH } from '../../src/log/record-layout.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { globPattern } from '../../tools/glob.js'
import { type FilterOptions, filterOf, operations } from '../../tools/log-filter.js'

function matches(glob: string, key: string | Buffer): boolean {
  return globPattern(glob).test(Buffer.from(key).toString('latin1'))
}

test('In a pattern * stands for anything, ? for one character, and a backslash takes the next as it is', t => {
  const cases: [string, string | Buffer, boolean][] = [
    ['user/*', 'user/7', true],
    ['user/*', 'user/', true],
    ['user/*', 'users/7', false],
    ['*/7', 'a/b/7', true],
    ['caf?', 'café', true],
    ['caf?', 'cafés', false],
    ['?', '☕', true],
    ['a?c', 'a\nc', true],
    ['*', Buffer.of(0xff, 0x00), true],
    ['??', Buffer.of(0xff, 0x00), true],
    ['a.c', 'abc', false],
    ['[ab](c)', '[ab](c)', true],
    ['{a}*', '{a}1', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['☕*', '☕☕', true],
    ['', '', true],
    ['', 'a', false],
  ]
  for (const [glob, key, expected] of cases) t.is(matches(glob, key), expected, `${glob} ${key}`)
})

/** SET a/1 by ada, DELETE a/2 by bob, NOOP. */
function record() {
  const writer = new RecordWriter()
  const fields = { logId: '0'.repeat(32), shard: 0, epoch: 1, firstIndex: 1, lamport: 1, wallMs: 1 }
  writer.begin({ ...fields, commitIndex: 0, previousHash: ZERO_HASH })
  const ada = writer.client(Buffer.alloc(16, 0xab), 'ada')
  const bob = writer.client(Buffer.alloc(16, 0xcd), 'bob')
  const nothing = Buffer.alloc(0)
  writer.add(Operation.SET, 0, Buffer.from('a/1'), 0, 3, Buffer.from('v'), 0, 1, 0, ada, 1)
  writer.add(Operation.DELETE, 0, Buffer.from('a/2'), 0, 3, nothing, 0, 0, 0, bob, 1)
  writer.add(Operation.NOOP, 0, nothing, 0, 0, nothing, 0, 0, 0, ada, 0)
  return writer.finish()
}

test('Entries are chosen by key, operation, actor and client, and by all of them together', t => {
  const wanted = (options: FilterOptions) => {
    const filter = filterOf(options)
    return [0, 1, 2].filter(slot => filter?.(record(), slot) ?? true)
  }
  t.is(filterOf({}), undefined)
  t.deepEqual(wanted({ prefix: 'a/' }), [0, 1])
  t.deepEqual(wanted({ key: 'a/?' }), [0, 1])
  t.deepEqual(wanted({ op: operations('delete, NOOP') }), [1, 2])
  t.deepEqual(wanted({ actor: 'ada' }), [0, 2])
  t.deepEqual(wanted({ client: 'CDCD' }), [1])
  t.deepEqual(wanted({ actor: 'ada', op: operations('set'), prefix: 'a' }), [0])
})

test('An operation or a client that there cannot be is refused', t => {
  t.throws(() => operations('put'), { message: /Allowed are set, delete, epoch, noop/ })
  t.throws(() => operations('unknown'))
  t.throws(() => filterOf({ client: 'xyz' }), {
    message: /^--client: "xyz" given, expected the 32 hexadecimal/,
  })
})
