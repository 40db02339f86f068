import test from 'ava'
import {
  byteSize,
  count,
  duration,
  jsonBytes,
  plural,
  printable,
  printableLines,
  shorten,
} from '../../tools/text.js'

const bytes = (text: string) => Buffer.from(text, 'utf8')

test('Ordinary text is printed as it is', t => {
  for (const text of ['hello', 'Grüße 🙂', 'C:\\temp', '{"a": "b"}']) t.is(printable(bytes(text)), text)
})

test('Control characters cannot reach the terminal', t => {
  t.is(printable(bytes('a\tb\nc\u001b[31m\u0000\u009b')), 'a\\tb\\nc\\x1b[31m\\x00\\x9b')
  t.is(printableLines(bytes('a\tb\nc\\d\u001b[31m')), 'a\tb\nc\\d\\x1b[31m')
})

test('Bytes that are not UTF-8 are escaped, and in JSON they are there in full beside', t => {
  const given = Buffer.of(0x61, 0xff, 0x5c)
  t.is(printable(given), 'a\\xff\\\\')
  t.deepEqual(jsonBytes('value', given), { value: 'a\\xff\\\\', valueBase64: given.toString('base64') })
  t.deepEqual(jsonBytes('value', bytes('a\\')), { value: 'a\\' })
})

test('Sizes, times and counts read as people write them', t => {
  t.deepEqual([0, 999, 1_000, 4_040, 25_000_000].map(byteSize), ['0 B', '999 B', '1.0 kB', '4.0 kB', '25 MB'])
  t.deepEqual([0.42, 12.3, 3_100, 250_000, 11_100_000, 190_000_000].map(duration), [
    '0.42 ms',
    '12 ms',
    '3.1 s',
    '4m 10s',
    '3h 5m',
    '2d 4h',
  ])
  t.is(count(1_234_567), '1,234,567')
  t.is(plural(1, 'shard'), '1 shard')
  t.is(plural(2, 'process', 'processes'), '2 processes')
  t.is(shorten('abcdef', 4), 'abc…')
})
