/**
 * A log against the plainest model there is: an array of records, and everything that was ever appended. Random
 * appends, new epochs, cuts, repeats of what was cut, and restarts.
 */
import type { TestFn } from 'ava'
import fc from 'fast-check'
import type { Log } from '../../src/log/log.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { collect, EMPTY_END, endOf, recordAfter } from '../log/record-chain.js'
import { livesOf, type StoreFactory } from './log-conformance.js'

type Step =
  | { readonly do: 'append'; readonly count: number }
  | { readonly do: 'newEpoch'; readonly count: number }
  | { readonly do: 'repeat'; readonly pick: number }
  | { readonly do: 'cut'; readonly pick: number }
  | { readonly do: 'adopt' }
  | { readonly do: 'flush' }
  | { readonly do: 'reopen' }

const count = fc.integer({ min: 1, max: 5 })
const pick = fc.nat(1_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), count }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('newEpoch' as const), count }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('repeat' as const), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cut' as const), pick }) },
  { weight: 1, arbitrary: fc.constant({ do: 'adopt' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'flush' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
)

class Model {
  readonly log: LogRecord[] = []
  readonly written: LogRecord[] = []
  adoptedEpoch = 0
  newestEpoch = 1

  get end() {
    const last = this.log[this.log.length - 1]
    return last === undefined ? EMPTY_END : endOf(last)
  }

  get lastEpoch(): number {
    return this.log[this.log.length - 1]?.epoch ?? 0
  }

  /** Records that were cut off and would continue the log again. */
  get repeatable(): LogRecord[] {
    const { lastHash } = this.end
    const orphans = this.written.filter(record => !this.log.includes(record))
    return orphans.filter(record => record.previousHash.equals(lastHash) && record.epoch >= this.lastEpoch)
  }

  /** Within an epoch there is one sequence of records: one that was cut there cannot be replaced, only repeated. */
  get mayExtend(): boolean {
    const clashes = this.written.some(each => {
      return each.epoch === this.lastEpoch && each.firstIndex > this.end.lastIndex && !this.log.includes(each)
    })
    return this.lastEpoch > 0 && !clashes
  }

  add(record: LogRecord): void {
    this.log.push(record)
    if (!this.written.includes(record)) this.written.push(record)
  }
}

function run(step: Step, model: Model, log: Log): void {
  if (step.do === 'newEpoch' || (step.do === 'append' && model.mayExtend)) {
    const epoch = step.do === 'append' ? model.lastEpoch : ++model.newestEpoch
    const record = recordAfter(model.end, { epoch, count: step.count, value: `${model.written.length}` })
    model.add(record)
    log.append(record)
  } else if (step.do === 'repeat') {
    const record = model.repeatable[step.pick % Math.max(1, model.repeatable.length)]
    if (record === undefined) return
    model.add(record)
    log.append(record)
  } else if (step.do === 'cut') {
    const kept = step.pick % (model.log.length + 1)
    model.log.length = kept
    log.cut(model.end.lastIndex)
  } else if (step.do === 'adopt') {
    model.adoptedEpoch = ++model.newestEpoch
    log.adoptEpoch(model.adoptedEpoch)
  }
}

function hashes(records: LogRecord[]): string[] {
  return records.map(record => record.hash.toString('hex'))
}

function byEpochAndIndex(records: LogRecord[]): LogRecord[] {
  return records.toSorted((a, b) => a.epoch - b.epoch || a.firstIndex - b.firstIndex)
}

export function logModelConformance(
  test: TestFn<unknown>,
  name: string,
  make: StoreFactory,
  numRuns: number,
): void {
  test(`${name}: any sequence of appends, cuts, repeats and restarts agrees with a plain array`, async t => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const subject = await make(t)
      const model = new Model()
      let store = subject.store
      for (const each of steps) {
        if (each.do === 'flush') await store.flush()
        else if (each.do === 'reopen') store = await subject.reopen()
        else run(each, model, store.log(0))
        const log = store.log(0)
        t.is(log.lastIndex, model.end.lastIndex)
        t.deepEqual(log.lastHash, model.end.lastHash)
        t.is(log.adoptedEpoch, model.adoptedEpoch)
        t.true(log.durableIndex <= log.lastIndex)
        for (const record of model.log) t.deepEqual(log.hashAt(record.lastIndex), record.hash)
        t.is(log.read(log.lastIndex + 1), undefined)
      }
      for await (const { log } of livesOf(subject, store)) {
        t.deepEqual(hashes(await collect(log.records(1))), hashes(model.log))
        const orphans = byEpochAndIndex(model.written.filter(record => !model.log.includes(record)))
        t.deepEqual(hashes(await collect(log.orphans())), hashes(orphans))
        t.deepEqual(
          log.epochs.map(span => span.epoch),
          [...new Set(model.log.map(record => record.epoch))],
        )
      }
      await subject.store.close()
    })
    await fc.assert(property, { numRuns })
  })
}
