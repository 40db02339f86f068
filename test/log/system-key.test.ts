import test from 'ava'
import { shardOfKey } from '../../src/client/shard-of-key.js'
import { isSystemKey, systemKey, visibleRanges } from '../../src/log/system-key.js'

test('a reserved key falls into the shard that it is made for', t => {
  for (const shardCount of [1, 2, 3, 7, 64]) {
    for (let ordinal = 0; ordinal < shardCount; ordinal += 1) {
      for (const key of [
        systemKey('tag', 'a {b} c', ordinal, shardCount),
        systemKey('retention', '', ordinal, shardCount),
      ]) {
        t.is(shardOfKey(key, shardCount), ordinal)
        t.true(isSystemKey(key))
      }
    }
  }
  t.is(systemKey('tag', 'x', 0, 1).toString(), '\0varve/tag/{0}/x')
  t.is(systemKey('retention', '', 0, 1).toString(), '\0varve/retention/{0}')
})

test('a range of keys leaves the reserved ones out, unless it lies within them', t => {
  const visible = (start: string, end: string) =>
    visibleRanges({ start: Buffer.from(start), end: Buffer.from(end) }).map(
      range => `${range.start}..${range.end}`,
    )
  t.deepEqual(visible('', ''), ['..\0varve/', '\0varve0..'])
  t.deepEqual(visible('a', ''), ['a..'])
  t.deepEqual(visible('a', 'b'), ['a..b'])
  t.deepEqual(visible('', '\0a'), ['..\0a'])
  t.deepEqual(visible('\0', '\0varve/t'), ['\0..\0varve/'])
  t.deepEqual(visible('\0varve/t', ''), ['\0varve0..'])
  t.deepEqual(visible('\0varve/', '\0varve0'), ['\0varve/..\0varve0'])
  t.deepEqual(visible('\0varve/tag', '\0varve/tah'), ['\0varve/tag..\0varve/tah'])
  t.false(isSystemKey(Buffer.from('\0varve')))
  t.false(isSystemKey(Buffer.from('\0varvf/')))
})
