/** Reads of the past, against a plain model that keeps every version. */
import test from 'ava'
import fc from 'fast-check'
import { EntryFlag, Operation } from '../../src/log/entry.js'
import { nullLogger } from '../../src/log/logger.js'
import { indexAtMoment, isClosedAt, type Moment } from '../../src/log/moment.js'
import { openProjection, saveCheckpoint } from '../../src/projection/checkpoint.js'
import type { ShardProjection } from '../../src/projection/shard-projection.js'
import { TimeTravel, type TimeTravelLimits } from '../../src/projection/time-travel.js'
import { trimIndexAt, trimLog } from '../../src/projection/trim.js'
import { del, set, TestHead } from './fixtures.js'

interface Version {
  readonly index: number
  readonly key: string
  readonly value: string | undefined
}

const KEYS = ['a', 'a/1', 'a/2', 'b', 'b/1', 'c', 'd', 'e']
/** Ways to an answer: as it comes, and each of the others forced. */
const WAYS: readonly Partial<TimeTravelLimits>[] = [
  {},
  { takenBackMax: 0 },
  { takenBackMax: 0, stepsBeforePivot: 1 },
  { takenBackMax: 0, stepsMax: 0, readThroughMax: 0 },
  { takenBackMax: 7, stepsMax: 3, readThroughMax: 0, viewsSizeBytesMax: 1 },
]

/** A log of random records, in which the model has every version. */
interface History {
  readonly head: TestHead
  readonly versions: Version[]
  /** Indexes that a cut may have: none inside a batch. */
  readonly cuts: number[]
}

interface Step {
  readonly writes: readonly { readonly key: number; readonly isDelete: boolean }[]
  readonly isBatch: boolean
  readonly checkpoint: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  writes: fc.array(fc.record({ key: fc.nat(KEYS.length - 1), isDelete: fc.boolean() }), {
    minLength: 1,
    maxLength: 5,
  }),
  isBatch: fc.boolean(),
  checkpoint: fc.integer({ min: 0, max: 9 }).map(n => n === 0),
})

async function historyOf(steps: readonly Step[]): Promise<History> {
  const head = new TestHead()
  const versions: Version[] = []
  const cuts = [0]
  for (const { writes, isBatch, checkpoint } of steps) {
    const first = head.log.lastIndex + 1
    const operations = writes.map(({ key, isDelete }, at) => {
      const name = KEYS[key]!
      const value = isDelete ? undefined : `v${first + at}`
      versions.push({ index: first + at, key: name, value })
      const continues = isBatch && at < writes.length - 1
      const flags = continues ? EntryFlag.BATCH_CONTINUES : 0
      if (!continues) cuts.push(first + at)
      return isDelete ? { ...del(name), flags } : set(name, value, { flags })
    })
    head.append(operations)
    await head.store.flush()
    head.commit()
    if (checkpoint) await saveCheckpoint(head.projection, contextOf(head))
  }
  return { head, versions, cuts }
}

function contextOf({ log, store }: TestHead) {
  return { log, blobs: store.blobs, logger: nullLogger }
}

/** What the model holds at an index, in key order. */
function modelAt(versions: readonly Version[], index: number): Map<string, Version> {
  const state = new Map<string, Version>()
  for (const version of versions) if (version.index <= index) state.set(version.key, version)
  const live = [...state].filter(([, { value }]) => value !== undefined)
  return new Map(live.sort(([left], [right]) => (left < right ? -1 : 1)))
}

async function scanned(past: TimeTravel, index: number, limit: number, reverse = false) {
  const found: [string, string, number][] = []
  let start: Buffer = Buffer.alloc(0)
  let end: Buffer | undefined
  for (;;) {
    const page = await past.scan({ index, start, end, limit, sizeBytesMax: 1_000, reverse })
    found.push(
      ...page.entries.map(({ key, value, index: at }): [string, string, number] => [
        `${key}`,
        `${value}`,
        at,
      ]),
    )
    if (page.next === undefined) return found
    if (reverse) end = page.next
    else start = page.next
  }
}

async function differences(past: TimeTravel, fromIndex: number, toIndex: number, prefix = '') {
  const found: [string, string | undefined, string | undefined][] = []
  const end = prefix === '' ? undefined : Buffer.from(`${prefix}\xff`, 'latin1')
  for await (const batch of past.diff({ fromIndex, toIndex, start: Buffer.from(prefix), end })) {
    for (const { key, before, after } of batch) {
      const value = after?.operation === Operation.SET ? `${after.value}` : undefined
      found.push([`${key}`, before === undefined ? undefined : `${before.value}`, value])
    }
  }
  return found
}

function modelDifferences(versions: readonly Version[], fromIndex: number, toIndex: number) {
  const from = modelAt(versions, fromIndex)
  const to = modelAt(versions, toIndex)
  return [...new Set([...from.keys(), ...to.keys()])]
    .sort()
    .map(key => [key, from.get(key)?.value, to.get(key)?.value] as const)
    .filter(([, before, after]) => before !== after)
    .map(each => [...each])
}

for (const way of WAYS) {
  test(`get, history, scan and diff at any index are what was there then, with ${JSON.stringify(way)}`, async t => {
    const cases = fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 40 }),
      picks: fc.array(fc.nat(), { minLength: 2, maxLength: 6 }),
      trimAt: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
      reopen: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(cases, async ({ steps, picks, trimAt, reopen }) => {
        const { head, versions, cuts } = await historyOf(steps)
        let projection: ShardProjection = head.projection
        if (trimAt !== undefined) {
          const index = trimIndexAt(head.log, projection, Math.floor(head.log.lastIndex * trimAt))
          await trimLog({ ...contextOf(head), projection, index, writtenMs: 1 })
        }
        if (reopen) {
          head.store.crash()
          projection = await openProjection({ ...contextOf(head), log: head.store.log(0) })
          projection.commit(projection.appliedIndex)
        }
        const { log } = projection
        const past = new TimeTravel(projection, { ...contextOf(head), log }, way)
        const indexes = picks.map(pick => cuts[pick % cuts.length]!).filter(index => index >= log.baseIndex)
        for (const index of indexes) {
          const model = modelAt(versions, index)
          const rows = [...model].map(([key, { value, index: at }]) => [key, value, at])
          t.deepEqual(await scanned(past, index, 3), rows)
          t.deepEqual(await scanned(past, index, 2, true), rows.toReversed())
          for (const key of KEYS) {
            const entry = await past.get(Buffer.from(key), index)
            const value = entry?.operation === Operation.SET ? `${entry.value}` : undefined
            t.is(value, model.get(key)?.value)
            const known = [...past.history(Buffer.from(key), index)].map(each => each.index)
            const all = versions
              .filter(each => each.key === key && each.index <= index)
              .map(each => each.index)
            t.deepEqual(
              known.filter(at => at > log.baseIndex),
              all.filter(at => at > log.baseIndex).toReversed(),
            )
          }
          for (const other of indexes) {
            if (other < index) continue
            const expected = modelDifferences(versions, index, other)
            t.deepEqual(await differences(past, index, other), expected)
            t.deepEqual(
              await differences(past, index, other, 'a/'),
              expected.filter(([key]) => key!.startsWith('a/')),
            )
          }
        }
        const dropped = cuts.find(index => index < log.baseIndex)
        if (dropped === undefined) return
        const error = await t.throwsAsync(past.get(Buffer.from('a'), dropped))
        t.is((error as { code?: string }).code, 'LOG_OUT_OF_RETENTION')
        await t.throwsAsync(scanned(past, dropped, 3))
      }),
      { numRuns: 60 },
    )
  })
}

test('a moment is everything stamped at or before it, and never a part of a batch', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async steps => {
      const { head, cuts } = await historyOf(steps)
      const { log } = head
      const stamps: { index: number; lamport: number; wallMs: number }[] = []
      for await (const record of log.records(1)) {
        for (let slot = 0; slot < record.count; slot++) {
          const { index, stamp } = record.entry(slot)
          stamps.push({ index, ...stamp })
        }
      }
      const last = stamps.at(-1)!
      const moments: Moment[] = stamps.flatMap(({ index, lamport, wallMs }) => [
        { kind: 'index', index },
        { kind: 'lamport', lamport },
        { kind: 'wall', wallMs },
        { kind: 'wall', wallMs: wallMs - 1 },
      ])
      for (const moment of [...moments, { kind: 'lamport', lamport: 0 } as const]) {
        const isIn = (each: (typeof stamps)[number]) => {
          if (moment.kind === 'wall') return each.wallMs <= moment.wallMs
          return moment.kind === 'lamport' ? each.lamport <= moment.lamport : each.index <= moment.index
        }
        const through = stamps.filter(isIn).at(-1)?.index ?? 0
        const expected = cuts.filter(cut => cut <= through).at(-1)!
        t.is(indexAtMoment(log, moment), expected)
      }
      t.is(indexAtMoment(log, { kind: 'wall', wallMs: last.wallMs + 1 }), last.index)
      t.false(isClosedAt(log, last.index, { kind: 'wall', wallMs: last.wallMs }))
      t.true(isClosedAt(log, last.index, { kind: 'wall', wallMs: last.wallMs - 1 }))
      t.true(isClosedAt(log, last.index, { kind: 'lamport', lamport: last.lamport }))
      t.false(isClosedAt(log, last.index, { kind: 'lamport', lamport: last.lamport + 1 }))
      t.false(isClosedAt(log, last.index - 1, { kind: 'index', index: last.index }))
    }),
    { numRuns: 60 },
  )
})
