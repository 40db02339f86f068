import test from 'ava'
import { VarveError } from '../../src/client/errors.js'
import type { ResubmitRequest } from '../../src/generated/varve/v1/cluster.js'
import { resubmitId } from '../../src/node/resubmit-id.js'
import type { LogLine } from '../../tools/log-line.js'
import { FateFinder, unitsOf } from '../../tools/orphan-units.js'
import { type Outcome, resubmitAll } from '../../tools/resubmit-calls.js'
import { checkWhole, type PlannedUnit, planOf } from '../../tools/resubmit-plan.js'

const CLIENT = Buffer.alloc(16, 7)

function line(epoch: number, index: number, more: Partial<LogLine> = {}): LogLine {
  return {
    shard: 'first',
    index,
    epoch,
    lamport: 100 + index,
    wallMs: 1_000,
    committed: false,
    operation: 'set',
    key: Buffer.from(`key-${index}`),
    value: Buffer.from('value'),
    previous: 0,
    clientId: CLIENT,
    sequence: index,
    actor: '',
    batchContinues: false,
    refused: false,
    record: index,
    ...more,
  }
}

/** As the head's log holds it: another client's entry, unless told otherwise. */
const logged = (index: number, more: Partial<LogLine> = {}) =>
  line(9, index, { clientId: Buffer.alloc(16, 9), key: Buffer.from(`other-${index}`), ...more })

test('orphans of several nodes are one each, in order, with atomic batches together', t => {
  const batch = [line(1, 5, { batchContinues: true }), line(1, 6)]
  const units = unitsOf([line(2, 4), ...batch, line(1, 7), ...batch, line(1, 9)])
  t.deepEqual(
    units.map(({ lines }) => lines.map(({ epoch, index }) => [epoch, index])),
    [
      [
        [1, 5],
        [1, 6],
      ],
      [[1, 7]],
      [[1, 9]],
      [[2, 4]],
    ],
  )
})

test('an orphan is lost unless the log holds its request, what was written in its place, or itself', t => {
  const lost = [line(1, 5), line(1, 6), line(1, 7), line(1, 8), line(1, 9, { sequence: 0 })]
  const finder = new FateFinder(3, unitsOf(lost), true)
  finder.see(logged(20, { clientId: CLIENT, sequence: 6 }))
  const { clientId, sequence } = resubmitId({ shard: 3, epoch: 1, index: 7, lamport: 107 })
  finder.see(logged(21, { clientId, sequence, key: Buffer.from('key-7') }))
  finder.see(line(1, 8, { clientId: Buffer.alloc(16, 9) }))
  finder.see(logged(22, { sequence: 0 }))
  t.deepEqual(
    lost.map(each => finder.fateOf(each)),
    [
      { name: 'lost', index: 0, keyIndex: 0 },
      { name: 'in the log', index: 20, keyIndex: 0 },
      { name: 'resubmitted', index: 21, keyIndex: 0 },
      { name: 'in the log', index: 8, keyIndex: 8 },
      { name: 'lost', index: 0, keyIndex: 0 },
    ],
  )
  const half = new FateFinder(3, unitsOf(lost), false)
  t.is(half.fateOf(lost[0]!).name, 'unknown')
})

test('an orphan whose key was written since is left out; its own resubmission is no such write', t => {
  const lost = [line(1, 5), line(1, 6), line(1, 7, { batchContinues: true }), line(1, 8), line(1, 9)]
  const epochLine = line(1, 4, { operation: 'epoch', key: Buffer.alloc(0), sequence: 0 })
  const units = unitsOf([epochLine, ...lost])
  const finder = new FateFinder(0, units, true)
  const own = resubmitId({ shard: 0, epoch: 1, index: 5, lamport: 105 })
  finder.see(logged(20, { ...own, key: Buffer.from('key-5') }))
  finder.see(logged(21, { key: Buffer.from('key-6') }))
  finder.see(logged(22, { key: Buffer.from('key-8'), operation: 'delete' }))
  const planned = planOf('first', units, finder)
  t.deepEqual(
    planned.map(({ lines, intent, index }) => [lines[0]!.index, intent, index]),
    [
      [5, 'resubmitted', 20],
      [6, 'overwrites', 21],
      [7, 'overwrites', 22],
      [9, 'write', 0],
    ],
  )
})

test('a range of indexes that cuts through a batch is refused, naming the batch', t => {
  const units = unitsOf([line(1, 5, { batchContinues: true }), line(1, 6), line(1, 7)])
  t.is(checkWhole(units, { first: 5, last: 6 }).length, 1)
  t.is(checkWhole(units, { first: 7, last: 90 }).length, 1)
  t.is(checkWhole(units, undefined).length, 2)
  t.throws(() => checkWhole(units, { first: 6, last: 9 }), {
    message: /--index: 6\.\.9 .*as a whole, 5\.\.6$/,
  })
})

const planned = (...lines: LogLine[]): PlannedUnit[] =>
  unitsOf(lines).map(unit => ({ shard: 'first', lines: unit.lines, intent: 'write', index: 0 }))

/** A head that answers with this. */
function head(answer: (request: ResubmitRequest, call: number) => void) {
  const calls: number[][] = []
  return {
    calls,
    async resubmit(_head: string, request: ResubmitRequest) {
      calls.push(request.entries.map(({ position }) => position!.index))
      answer(request, calls.length)
      const results = request.entries.map(({ position }) => ({ outcome: 'written', position }))
      return { results }
    },
  }
}

async function outcomes(heads: ReturnType<typeof head>, units: PlannedUnit[]): Promise<[number, string][]> {
  const seen: Outcome[] = []
  const options = { headOf: async () => 'head:1', timeoutMs: 5_000 }
  await resubmitAll(heads, units, options, async each => void seen.push(...each))
  return seen.map(({ line: { index }, outcome }) => [index, outcome])
}

test('calls are of bounded size and never part a batch', async t => {
  const value = Buffer.alloc(400_000)
  const lines = [1, 2, 3, 4, 5].map(index =>
    line(1, index, { value, batchContinues: index === 2 || index === 3 }),
  )
  const heads = head(() => {})
  t.is((await outcomes(heads, planned(...lines))).length, 5)
  t.deepEqual(heads.calls, [[1], [2, 3, 4], [5]])
})

test('an expired orphan does not keep the others from being written', async t => {
  const heads = head(({ entries }) => {
    if (entries.some(({ position }) => position!.index === 3))
      throw new VarveError('SESSION_EXPIRED', 'too old', { outcome: 'failed' })
  })
  t.deepEqual(await outcomes(heads, planned(...[1, 2, 3, 4].map(index => line(1, index)))), [
    [1, 'written'],
    [2, 'written'],
    [3, 'expired'],
    [4, 'written'],
  ])
})

test('a call that another head or a later moment may answer is made again', async t => {
  const codes = ['NOT_HEAD', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const
  const heads = head((_request, call) => {
    if (call <= codes.length) throw new VarveError(codes[call - 1]!, 'not now')
  })
  t.deepEqual(await outcomes(heads, planned(line(1, 1))), [[1, 'written']])
  t.is(heads.calls.length, 4)
  const refusing = head(() => {
    throw new VarveError('INVALID_ARGUMENT', 'never')
  })
  await t.throwsAsync(outcomes(refusing, planned(line(1, 1))), { code: 'INVALID_ARGUMENT' })
  t.is(refusing.calls.length, 1)
})
