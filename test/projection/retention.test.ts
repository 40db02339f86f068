import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { EntryFlag, Operation } from '../../src/log/entry.js'
import { LogError } from '../../src/log/errors.js'
import type { Log } from '../../src/log/log.js'
import { nullLogger } from '../../src/log/logger.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import { indexAtMoment, type Moment } from '../../src/log/moment.js'
import { openProjection, saveCheckpoint } from '../../src/projection/checkpoint.js'
import { CLOCK_TRUSTED_MS, horizonsDue, pastIndexAt } from '../../src/projection/horizon-due.js'
import { installBase, prepareBase } from '../../src/projection/install-base.js'
import { afterPrefix } from '../../src/projection/kept-prefixes.js'
import {
  decodeRetention,
  encodeRetention,
  type RetentionRule,
  retentionFault,
} from '../../src/projection/retention.js'
import { ShardProjection } from '../../src/projection/shard-projection.js'
import { type PastPage, TimeTravel } from '../../src/projection/time-travel.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { TestHead, type TestOperation } from './fixtures.js'

const KEYS = ['a', 'a/1', 'a/2', 'b/1', 'b/2', 'b/b/1', 'b/b/2', 'c', 'c/1'] as const
const PREFIXES = ['', 'a/', 'b/', 'b/b/', 'c/'] as const

interface Version {
  readonly index: number
  readonly value: string | undefined
}

/** A log, and beside it every version of every key and every stamp that it ever had. */
class Subject {
  readonly head = new TestHead()
  readonly versions = new Map<string, Version[]>(KEYS.map(key => [key, []]))
  /** By index, from 1 on: the end of the atomic batch that the entry belongs to, and its stamp. */
  readonly entries: { end: number; lamport: number; wallMs: number }[] = []

  get log(): Log {
    return this.head.log
  }

  append(
    writes: readonly { readonly key: string; readonly value: string | undefined }[],
    isBatch: boolean,
  ): void {
    const first = this.log.lastIndex + 1
    const operations = writes.map(({ key, value }, i): TestOperation => {
      this.versions.get(key)!.push({ index: first + i, value })
      const flags = isBatch && i < writes.length - 1 ? EntryFlag.BATCH_CONTINUES : 0
      const operation = value === undefined ? Operation.DELETE : Operation.SET
      return { operation, key: Buffer.from(key), value: Buffer.from(value ?? ''), flags }
    })
    const record = this.head.append(operations)
    for (let i = 0; i < writes.length; i++) {
      const end = isBatch ? first + writes.length - 1 : first + i
      this.entries.push({ end, lamport: record.lamport + i, wallMs: record.wallMs })
    }
  }

  /** The index that a moment is, by what was written down here. */
  indexAt(moment: Moment): number {
    let found = 0
    for (const [i, { end, lamport, wallMs }] of this.entries.entries()) {
      const index = i + 1
      const isBefore =
        moment.kind === 'wall'
          ? wallMs <= moment.wallMs
          : moment.kind === 'lamport'
            ? lamport <= moment.lamport
            : index <= moment.index
      if (!isBefore) break
      if (end === index) found = index
    }
    return found
  }

  valueAt(key: string, index: number): string | undefined {
    return this.versions.get(key)!.findLast(version => version.index <= index)?.value
  }
}

function contextOf(store: MemoryLogStore) {
  return { log: store.log(0), blobs: store.blobs, logger: nullLogger }
}

/** Everything that can be read at the moment is right, and everything that cannot says from where on it can. */
async function checkAt(
  t: ExecutionContext,
  subject: Subject,
  projection: ShardProjection,
  travel: TimeTravel,
  moment: Moment,
): Promise<void> {
  const index = subject.indexAt(moment)
  const found = pastIndexAt(projection, moment)
  const { horizons } = projection
  for (const key of KEYS) {
    const name = Buffer.from(key)
    const horizon = horizons.ofKey(name)
    if (index >= horizon.index) {
      t.not(found, undefined)
      const entry = await travel.get(name, found!)
      const value = entry?.operation === Operation.SET ? entry.value.toString() : undefined
      t.is(value, subject.valueAt(key, index), `${key} at ${index}, found as ${found}`)
    } else if (found !== undefined) {
      const error = await t.throwsAsync(travel.get(name, found), { instanceOf: LogError })
      t.like(error, { code: 'LOG_OUT_OF_RETENTION', index: horizon.index })
      t.regex(error!.message, /^history of shard_0.* before .* was dropped by retention on /)
    }
  }
  if (found === undefined) return
  for (const prefix of PREFIXES) {
    const start = Buffer.from(prefix)
    const end = afterPrefix(start)
    const horizon = horizons.ofRange(start, end)
    const scan = async (): Promise<PastPage> =>
      await travel.scan({ start, end, index: found, limit: 1_000, sizeBytesMax: 1_000_000 })
    if (index < horizon.index) {
      await t.throwsAsync(scan, { code: 'LOG_OUT_OF_RETENTION' })
      continue
    }
    const { entries } = await scan()
    const expected = KEYS.filter(key => key.startsWith(prefix) && subject.valueAt(key, index) !== undefined)
    t.deepEqual(
      entries.map(({ key, value }) => `${key}=${value}`),
      expected.map(key => `${key}=${subject.valueAt(key, index)}`),
    )
  }
}

async function checkAll(t: ExecutionContext, subject: Subject, projection: ShardProjection): Promise<void> {
  const { log } = projection
  const travel = new TimeTravel(projection, { log, blobs: subject.head.store.blobs, logger: nullLogger })
  await checkEverything(t, subject, projection, travel)
}

async function checkEverything(
  t: ExecutionContext,
  subject: Subject,
  projection: ShardProjection,
  travel: TimeTravel,
): Promise<void> {
  const last = projection.committedIndex
  for (const { lamport, wallMs } of subject.entries.slice(0, last)) {
    await checkAt(t, subject, projection, travel, { kind: 'lamport', lamport })
    await checkAt(t, subject, projection, travel, { kind: 'wall', wallMs })
  }
  for (const key of KEYS) {
    const name = Buffer.from(key)
    const horizon = projection.horizons.ofKey(name).index
    const all = subject.versions.get(key)!.filter(({ index }) => index <= last)
    // The newest one is never dropped, and so is none above the horizon, nor what was held there.
    const held = all.findLast(({ index }) => index <= horizon)?.index ?? 0
    const expected = all.filter(({ index }) => index >= held).reverse()
    const history = [...travel.history(name, last)].map(({ index, operation, value }) => {
      return { index, value: operation === Operation.SET ? value.toString() : undefined }
    })
    t.deepEqual(history, expected, key)
    t.true(all.length === 0 || history.length > 0)
  }
}

const write = fc.record({
  key: fc.constantFrom(...KEYS),
  value: fc.option(fc.string({ maxLength: 3 }), { nil: undefined, freq: 4 }),
})
const rule = fc.record({
  prefix: fc.constantFrom(...PREFIXES).map(prefix => Buffer.from(prefix)),
  ageMs: fc.constantFrom<number[]>(0, 1, 5, 10, 25, 60),
  entries: fc.constantFrom<number[]>(0, 1, 4, 10, 30, 80),
})
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ writes: fc.array(write, { minLength: 1, maxLength: 5 }), isBatch: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ tagBack: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ untag: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ checkpoint: fc.constant(true) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      rules: fc.uniqueArray(rule, { maxLength: 4, selector: ({ prefix }) => prefix.toString() }),
      laterMs: fc.nat(40),
    }),
  },
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const deletes = (count: number): Step => ({
  writes: Array.from({ length: count }, () => ({ key: 'a' as const, value: undefined })),
  isBatch: false,
})
const ruled = (...rules: [prefix: string, ageMs: number, entries: number][]): Step => ({
  rules: rules.map(([prefix, ageMs, entries]) => ({ prefix: Buffer.from(prefix), ageMs, entries })),
  laterMs: 0,
})

/** A horizon below the log's base, at an index of which the base holds nothing. */
const HORIZON_IN_A_GAP: Step[] = [
  ...[1, 1, 1, 1, 5, 4].map(deletes),
  ruled(['', 1, 0], ['b/b/', 0, 0]),
  ...[5, 2, 3].map(deletes),
  ruled(),
  ...[4, 1, 3].map(deletes),
  ruled(['b/', 0, 30]),
  ...[1, 1, 1, 1, 1].map(deletes),
]

test('after any writes, tags, rules and trims every read is right, or says from where on it can be answered', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async steps => {
      const subject = new Subject()
      const { head, log } = subject
      const { store, projection } = head
      const tags: number[] = []
      for (const each of steps) {
        if ('writes' in each) subject.append(each.writes, each.isBatch)
        await store.flush()
        head.commit()
        if ('tagBack' in each) {
          const index =
            log.lastIndex === 0 ? 0 : subject.indexAt({ kind: 'index', index: log.lastIndex - each.tagBack })
          if (index > 0 && index >= log.baseIndex) tags.push(index)
        } else if ('untag' in each) tags.splice(each.untag, 1)
        else if ('checkpoint' in each) await saveCheckpoint(projection, contextOf(store))
        else if ('rules' in each && log.lastIndex > 0) {
          const nowMs = log.lastStamp.wallMs + each.laterMs
          const due = horizonsDue({ projection, rules: each.rules, pins: tags, nowMs })
          projection.horizons.hide(due.prefixes)
          for (const tag of tags) t.true(due.index <= Math.max(tag, log.baseIndex))
          const { blobs } = store
          await trimLog({
            log,
            projection,
            blobs,
            logger: nullLogger,
            index: due.index,
            writtenMs: nowMs,
            keep: due.prefixes,
          })
        }
      }
      if (log.lastIndex === 0) return
      await checkAll(t, subject, projection)
      // What a tag names can be read of every key that no prefix had hidden before.
      projection.horizons.hide([])
      await checkAll(t, subject, projection)
      for (const tag of tags) t.true(log.baseIndex <= tag)
      // Another replica takes the base over, and goes on with the records.
      await checkTransferred(t, subject)
      store.crash()
      await checkAll(t, subject, await openProjection(contextOf(store)))
    }),
    { numRuns: 40, examples: [[HORIZON_IN_A_GAP]] },
  )
})

async function checkTransferred(t: ExecutionContext, subject: Subject): Promise<void> {
  const { log, store: from } = subject.head
  if (log.base === undefined) return
  const store = new MemoryLogStore({ autoSync: true })
  const [name] = await from.blobs.names('base/')
  await store.blobs.write(name!, from.blobs.read(name!)!)
  const other = store.log(0)
  const projection = new ShardProjection({ log: other })
  installBase(await prepareBase(0, store.blobs, log.base), other, projection, 0)
  for await (const record of log.records(log.baseIndex + 1)) {
    other.append(record)
    projection.apply(record)
  }
  projection.commit(log.lastIndex)
  t.is(other.base?.writtenMs, log.base.writtenMs)
  await checkEverything(t, subject, projection, new TimeTravel(projection, contextOf(store)))
}

test('age is told by the clock, but one that jumps ahead drops little', async t => {
  const subject = new Subject()
  for (let i = 0; i < 20; i++) subject.append([{ key: 'a', value: String(i) }], false)
  await subject.head.store.flush()
  subject.head.commit()
  const { projection } = subject.head
  const rules = [{ prefix: Buffer.alloc(0), ageMs: CLOCK_TRUSTED_MS + 10, entries: 0 }]
  const { wallMs } = subject.log.lastStamp
  t.is(horizonsDue({ projection, rules, pins: [], nowMs: wallMs + 1_000 }).index, 0)
  t.is(horizonsDue({ projection, rules, pins: [], nowMs: wallMs + CLOCK_TRUSTED_MS }).index, 10)
  t.is(horizonsDue({ projection, rules, pins: [], nowMs: wallMs + 1e12 }).index, 10)
  t.is(horizonsDue({ projection, rules, pins: [4], nowMs: wallMs + 1e12 }).index, 4)
  t.is(trimIndexAt(subject.log, projection, 10), 10)
  t.is(indexAtMoment(subject.log, { kind: 'index', index: 10 }), 10)
})

test('rules are written as text that people can read, and read back as they were', t => {
  const rules: RetentionRule[] = [
    { prefix: Buffer.from('orders/'), ageMs: 86_400_000, entries: 0 },
    { prefix: Buffer.alloc(0), ageMs: 0, entries: 1_000 },
    { prefix: Buffer.of(0xff, 0x00), ageMs: 5, entries: 6 },
  ]
  const value = encodeRetention(rules)
  t.true(value.toString().includes('"prefix":"orders/","ageMs":86400000,"entries":0'))
  t.deepEqual(decodeRetention(value), [rules[1]!, rules[0]!, rules[2]!])
  t.deepEqual(decodeRetention(encodeRetention([])), [])
  for (const other of [
    '',
    '{}',
    '[1]',
    '{"rules":[{"prefix":"a","ageMs":-1,"entries":0}]}',
    '{"rules":[7]}',
  ]) {
    t.is(decodeRetention(Buffer.from(other)), undefined, other)
  }
  t.is(retentionFault(rules), undefined)
  t.regex(retentionFault([rules[0]!, rules[0]!])!, /the rule for "orders\/" is given twice/)
  t.regex(
    retentionFault([{ prefix: Buffer.alloc(0), ageMs: 0.5, entries: 0 }])!,
    /the default rule: age 0.5 ms/,
  )
})
