import test from 'ava'
import fc from 'fast-check'
import { Operation, positionOf, slotOf } from '../../src/log/entry.js'
import { ShardProjection } from '../../src/projection/shard-projection.js'
import { clientId, del, refused, set, stateOf, TestHead, type TestOperation } from './fixtures.js'

const KEYS = ['a', 'ab', 'abc', 'b', 'ba', '\0', '\xff', `long${'g'.repeat(4_092)}`]

type Step =
  | { readonly kind: 'append'; readonly operations: readonly TestOperation[] }
  | { readonly kind: 'commit' | 'cut'; readonly share: number }

const operation: fc.Arbitrary<TestOperation> = fc
  .record({ key: fc.constantFrom(...KEYS), value: fc.string({ maxLength: 20 }), what: fc.nat(9) })
  .map(({ key, value, what }) => {
    const bytes = Buffer.from(key, 'latin1')
    if (what === 9) return refused(clientId(7), 0)
    if (what > 6) return { operation: Operation.DELETE, key: bytes }
    return { operation: Operation.SET, key: bytes, value: Buffer.from(value, 'latin1') }
  })

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .array(operation, { minLength: 1, maxLength: 8 })
        .map(operations => ({ kind: 'append' as const, operations })),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('commit' as const, 'cut' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 30 },
)

/** The plain truth: the records in the log, and how many of them are committed. */
class Model {
  records: (readonly TestOperation[])[] = []
  committed = 0

  indexAfter(records: number): number {
    return this.records.slice(0, records).reduce((sum, record) => sum + record.length, 0)
  }

  state(records: number): Map<string, string> {
    const state = new Map<string, string>()
    for (const { operation, key, value } of this.records.slice(0, records).flat()) {
      if (operation === Operation.SET) state.set(key.toString('latin1'), value!.toString('latin1'))
      if (operation === Operation.DELETE) state.delete(key.toString('latin1'))
    }
    return new Map([...state].sort(([left], [right]) => (left < right ? -1 : 1)))
  }
}

function assertSame(found: Map<string, string>, expected: Map<string, string>, what: string): void {
  const [left, right] = [JSON.stringify([...found]), JSON.stringify([...expected])]
  if (left !== right) throw new Error(`${what}: ${left}, expected ${right}`)
}

function checkReads(
  projection: ShardProjection,
  expected: Map<string, string>,
  view: 'newest' | 'committed',
) {
  for (const text of KEYS) {
    const key = Buffer.from(`?${text}`, 'latin1')
    const position = projection.locate(key, 1, key.length - 1, view)
    const isLive = position !== 0 && !projection.lastWasDelete
    if (isLive !== expected.has(text)) throw new Error(`${view}: ${text} is ${isLive ? 'live' : 'not live'}`)
    if (!isLive) continue
    for (let time = 0; time < 2; time++) {
      const { bytes, valueStart, valueLength } = projection.read(position)
      const value = bytes.toString('latin1', valueStart, valueStart + valueLength)
      if (value !== expected.get(text)) throw new Error(`${view}: ${text} holds ${value}`)
    }
    const record = projection.recordOf(position)
    if (record.key(slotOf(position)).toString('latin1') !== text)
      throw new Error(`${text}: another key's entry`)
  }
}

test('head and follower hold what replaying the log gives, through commits and cuts in any order', async t => {
  await fc.assert(
    fc.asyncProperty(steps, async script => {
      const head = new TestHead()
      const follower = new ShardProjection({ log: head.log })
      const model = new Model()
      for (const step of script) {
        if (step.kind === 'append') {
          follower.apply(head.append(step.operations))
          model.records.push(step.operations)
        } else {
          const tentative = model.records.length - model.committed
          const to = model.committed + Math.floor(step.share * (tentative + 0.99))
          const index = model.indexAfter(to)
          if (step.kind === 'commit') {
            head.commit(index)
            follower.commit(index)
            model.committed = to
          } else {
            head.cut(index)
            follower.truncate(index)
            model.records = model.records.slice(0, to)
          }
        }
        const newest = model.state(model.records.length)
        const committed = model.state(model.committed)
        for (const projection of [head.projection, follower]) {
          assertSame(stateOf(projection, 'newest', 3), newest, 'newest')
          assertSame(stateOf(projection, 'committed', 3), committed, 'committed')
          checkReads(projection, newest, 'newest')
          checkReads(projection, committed, 'committed')
          if (projection.liveKeyCount !== committed.size)
            throw new Error(`${projection.liveKeyCount} live keys`)
        }
      }
      const replayed = await head.follower()
      const committedIndex = head.projection.committedIndex
      replayed.commit(committedIndex)
      const digests = [head.projection, follower, replayed].map(projection => projection.digest())
      for (const digest of await Promise.all(digests)) {
        if (digest.commitIndex !== committedIndex) throw new Error(`digest at ${digest.commitIndex}`)
        if (!digest.state.equals((await digests[0]!).state)) throw new Error('digests differ')
      }
    }),
    { numRuns: 150 },
  )
  t.pass()
})

test('previous-links point to the entry before of the same key, in the same record too', async t => {
  const head = new TestHead()
  head.append([set('k', '1'), set('other', 'x'), set('k', '2')])
  const record = head.append([del('k'), refused(clientId(1), 1), set('k', '3')])
  t.deepEqual(
    [0, 1, 2].map(slot => record.previous(slot)),
    [positionOf(3, 2), 0, positionOf(4, 0)],
  )
  const first = head.log.read(1)!
  t.deepEqual(
    [0, 1, 2].map(slot => first.previous(slot)),
    [0, 0, positionOf(1, 0)],
  )
})

test('a record whose previous-links are not the projection’s own is refused', async t => {
  const head = new TestHead()
  head.append([set('k', '1')])
  const second = head.append([set('k', '2')])
  const third = head.append([set('new', '3')])
  const follower = new ShardProjection({ log: head.log })
  t.throws(() => follower.apply(second), {
    code: 'PROJECTION_DIVERGED',
    message: /index 2, expected index 1/,
  })
  const other = new TestHead()
  other.append([set('other', '1')])
  const diverged = new ShardProjection({ log: other.log })
  diverged.apply(other.log.read(1)!)
  t.throws(() => diverged.apply(second), { code: 'PROJECTION_DIVERGED', message: /entry 2 names/ })
  t.is(third.previous(0), 0)
})

test('commit beyond what is applied and undo of what is committed are refused', t => {
  const head = new TestHead()
  head.append([set('a'), set('b')])
  head.append([set('c')])
  t.throws(() => head.projection.commit(4), { code: 'PROJECTION_ORDER' })
  head.commit(2)
  head.commit(1)
  t.is(head.projection.committedIndex, 2)
  t.throws(() => head.projection.truncate(1), { code: 'PROJECTION_ORDER' })
  head.cut(2)
  t.is(head.projection.appliedIndex, 2)
})

test('staged entries are seen at once and can be taken back before they are appended', t => {
  const head = new TestHead()
  head.append([set('k', 'old')])
  head.commit()
  const { projection } = head
  const key = Buffer.from('k')
  t.is(projection.stage(Operation.DELETE, key, 0, 1, positionOf(2, 0)), positionOf(1, 0))
  projection.recordRequest(clientId(9), 1, 2)
  t.is(projection.locate(key, 0, 1, 'newest'), positionOf(2, 0))
  t.true(projection.lastWasDelete)
  t.is(projection.locate(key, 0, 1, 'committed'), positionOf(1, 0))
  t.false(projection.lastWasDelete)
  t.is(projection.lookupRequest(clientId(9), 1), 2)
  projection.truncate(1)
  t.is(projection.locate(key, 0, 1, 'newest'), positionOf(1, 0))
  t.is(projection.lookupRequest(clientId(9), 1), 0)
  head.append([set('k', 'new')])
  t.is(stateOf(projection, 'newest').get('k'), 'new')
})

test('requests are found on head and followers, refused ones too', async t => {
  const head = new TestHead()
  const [one, two] = [clientId(100), clientId(200)]
  head.append([
    set('a', '1', { client: one, sequence: 1 }),
    set('b', '1', { client: two, sequence: 1 }),
    set('c', '1', { client: one, sequence: 2 }),
    refused(two, 2),
  ])
  const follower = await head.follower()
  for (const projection of [head.projection, follower]) {
    t.is(projection.lookupRequest(one, 1), 1)
    t.is(projection.lookupRequest(two, 1), 2)
    t.is(projection.lookupRequest(one, 2), 3)
    t.is(projection.lookupRequest(two, 2), 4)
    t.is(projection.lookupRequest(two, 3), 0)
  }
})

test('a value read before a cut is not served for the entry that takes its position', t => {
  const head = new TestHead()
  const read = () => {
    const { bytes, valueStart, valueLength, epoch } = head.projection.read(
      head.projection.locate(Buffer.from('k'), 0, 1, 'newest'),
    )
    return [bytes.toString('utf8', valueStart, valueStart + valueLength), epoch]
  }
  head.append([set('k', 'one')])
  t.deepEqual(read(), ['one', 1])
  t.deepEqual(read(), ['one', 1])
  head.cut(0)
  head.append([set('k', 'two')])
  t.deepEqual(read(), ['two', 2])
})

test('a position that the log does not hold is an error, not a value', t => {
  const head = new TestHead()
  head.append([set('k', 'one')])
  t.throws(() => head.projection.read(positionOf(1, 1)), { code: 'LOG_DAMAGED' })
  t.throws(() => head.projection.read(positionOf(1_000, 3)), { code: 'LOG_DAMAGED', message: /index 997/ })
  t.throws(() => head.projection.read(0), { instanceOf: RangeError })
})

interface ScanCase {
  readonly keys: readonly string[]
  readonly start: string
  readonly end: string | undefined
  readonly reverse: boolean
  readonly limit: number
  readonly examinedMax: number
  readonly sizeBytesMax: number
}

const keyText = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), minLength: 1, maxLength: 4 })
const scanCases: fc.Arbitrary<ScanCase> = fc.record({
  keys: fc.uniqueArray(keyText, { maxLength: 60 }),
  start: fc.oneof(fc.constant(''), keyText),
  end: fc.option(keyText, { nil: undefined }),
  reverse: fc.boolean(),
  limit: fc.integer({ min: 1, max: 7 }),
  examinedMax: fc.integer({ min: 1, max: 9 }),
  sizeBytesMax: fc.integer({ min: 1, max: 500 }),
})

test('scans give the live keys between their bounds, in order, page by page, in both directions', t => {
  fc.assert(
    fc.property(scanCases, ({ keys, start, end, reverse, limit, examinedMax, sizeBytesMax }) => {
      const head = new TestHead()
      keys.forEach((key, i) => {
        head.append([{ ...set('', key), key: Buffer.from(key, 'latin1') }])
        if (i % 3 === 0) head.append([{ ...del(''), key: Buffer.from(key, 'latin1') }])
      })
      const wanted = keys.filter((key, i) => i % 3 !== 0 && key >= start && (end === undefined || key < end))
      wanted.sort((left, right) => (left < right ? -1 : 1))
      if (reverse) wanted.reverse()
      const found: string[] = []
      let bounds: { start: Buffer; end: Buffer | undefined } = {
        start: Buffer.from(start, 'latin1'),
        end: end === undefined ? undefined : Buffer.from(end, 'latin1'),
      }
      for (let pages = 0; ; pages++) {
        if (pages > 2 * keys.length + 2) throw new Error('the scan does not end')
        const options = { ...bounds, reverse, limit, examinedMax, sizeBytesMax, view: 'newest' as const }
        const { items, next } = head.projection.scan(options)
        if (items.length > limit) throw new Error(`${items.length} items`)
        found.push(...items.map(item => item.key.toString('latin1')))
        if (next === undefined) break
        bounds = reverse ? { ...bounds, end: next } : { ...bounds, start: next }
      }
      if (found.join('|') !== wanted.join('|')) throw new Error(`${found}, expected ${wanted}`)
    }),
  )
  t.pass()
})

test('a page ends at its size, and a scan of keys alone has no values', t => {
  const head = new TestHead()
  for (let i = 0; i < 10; i++) head.append([set(`k${i}`, 'x'.repeat(1_000))])
  const options = { start: Buffer.alloc(0), view: 'newest' as const, limit: 100 }
  const page = head.projection.scan({ ...options, sizeBytesMax: 2_500 })
  t.is(page.items.length, 3)
  t.is(page.next?.toString(), 'k3')
  t.is(page.items[1]!.entry?.value.length, 1_000)
  t.is(page.items[1]!.position, positionOf(2, 0))
  const keys = head.projection.scan({ ...options, sizeBytesMax: 2_500, keysOnly: true })
  t.is(keys.items.length, 10)
  t.true(keys.items.every(item => item.entry === undefined))
})

test('digests tell states apart by key, index and operation, and nothing else', async t => {
  const head = new TestHead()
  head.append([set('a', '1'), set('b', '2')])
  head.append([del('c')])
  head.commit()
  const first = await head.projection.digest()
  t.like(first, { keys: 3, liveKeys: 2, commitIndex: 3 })
  // The same entries in other records, and with other keys seen before them, which were then undone.
  const other = new TestHead()
  other.append([set('z', '1'), set('y', '1')])
  other.cut(0)
  for (const operation of [set('a', '1'), set('b', '2'), del('c')]) other.append([operation])
  t.not((await other.projection.digest()).state.toString('hex'), first.state.toString('hex'))
  other.commit()
  t.deepEqual(await other.projection.digest(), first)
  const last = new TestHead()
  last.append([set('a', '1'), set('b', '2'), set('c', '')])
  last.commit()
  t.notDeepEqual((await last.projection.digest()).state, first.state)
})

test('a digest speaks of the moment it was asked for, whatever is committed meanwhile', async t => {
  const head = new TestHead({ pause: () => Promise.resolve() })
  const operations = Array.from({ length: 8_000 }, (_, i) => set(`key${i}`))
  for (let i = 0; i < 5; i++)
    head.append(operations.map((each, k) => ({ ...each, key: Buffer.from(`${i}/${k}`) })))
  head.commit(16_000)
  const expected = await head.projection.digest()
  const pending = head.projection.digest()
  head.commit()
  head.append(operations)
  head.commit()
  t.deepEqual(await pending, expected)
  t.is((await head.projection.digest()).keys, 48_000)
})
