import test from 'ava'
import { positionOf } from '../../src/log/entry.js'
import { readPairs } from '../../src/projection/past-entries.js'
import { clientId, del, set, TestHead } from './fixtures.js'

/** 300 keys, each written twice, each tenth then taken away; records of 7 entries. */
async function filledHead() {
  const head = new TestHead()
  const positions: number[] = []
  for (let i = 0; i < 600; i += 6) {
    const entries = [0, 1, 2, 3, 4, 5].map(offset => {
      const number = (i + offset) % 300
      return set(`key ${number}`, `value ${i + offset}`, {
        client: clientId(number % 3),
        sequence: 1 + i + offset,
      })
    })
    head.append([...entries, del(`other ${i}`)])
  }
  head.commit()
  await head.store.flush()
  for (let index = 1; index <= head.log.lastIndex; index++) {
    const record = head.log.recordAt(index)!
    positions.push(positionOf(index, index - record.firstIndex))
  }
  return { head, positions }
}

/** Any order, two for each key, in which 0 stands for nothing here and there. */
function shuffled(positions: readonly number[]): number[] {
  const count = positions.length - (positions.length % 2)
  return Array.from({ length: count }, (_, rank) => (rank % 50 === 7 ? 0 : positions[(rank * 271) % count]!))
}

test('entries that lie all over the log come in the order asked for, on memory of their own', async t => {
  const { head, positions } = await filledHead()
  const asked = shuffled(positions)
  const { count, pair } = await readPairs(head.projection, asked)
  t.is(count, asked.length / 2)
  for (let place = 0; place < count; place++) {
    const { before, after } = pair(place, Buffer.from('its key'))
    for (const [at, entry] of [before, after].entries()) {
      const position = asked[2 * place + at]!
      if (position === 0) {
        t.is(entry, undefined)
        continue
      }
      const plain = head.projection.entry(position)!
      t.deepEqual(entry, { ...plain, key: Buffer.from('its key') })
      t.not(entry!.value.buffer, plain.value.buffer)
    }
  }
})

test('what does not fit into memory is left for the next time, and one key at least is there', async t => {
  const { head, positions } = await filledHead()
  const asked = shuffled(positions)
  const expected = asked.map(position => {
    return position === 0 ? undefined : head.projection.entry(position)!.value.toString()
  })
  for (const sizeBytesMax of [0, 20, 2_000]) {
    const values: (string | undefined)[] = []
    let passes = 0
    for (let from = 0; from < asked.length; passes++) {
      const { count, pair } = await readPairs(head.projection, asked.slice(from), sizeBytesMax)
      t.true(count >= 1)
      for (let place = 0; place < count; place++) {
        const { before, after } = pair(place, Buffer.alloc(0))
        values.push(before?.value.toString(), after?.value.toString())
      }
      from += 2 * count
    }
    t.deepEqual(values, expected)
    t.true(passes > 1, `${sizeBytesMax}`)
  }
})
