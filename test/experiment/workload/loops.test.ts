/** Closed and open loops, on a clock that is moved by hand: who has what under way, since when, and how it ends. */
import test from 'ava'
import { runClosedLoop } from '../../../tools/experiment/workload/closed-loop.js'
import { FileSource } from '../../../tools/experiment/workload/file-source.js'
import { inKeyOrder } from '../../../tools/experiment/workload/key-order.js'
import { FAILURE_PAUSE_MS, type Perform, type Turn } from '../../../tools/experiment/workload/load-driver.js'
import { runOpenLoop } from '../../../tools/experiment/workload/open-loop.js'
import type { LoadOperation } from '../../../tools/experiment/workload/operations.js'
import { ManualClock, settle } from './manual-clock.js'

interface Call {
  readonly key: string
  readonly turn: Turn
  readonly atMs: number
  end(): void
  fail(): void
}

/** A cluster that answers when the test says so. */
class Bench {
  readonly clock = new ManualClock()
  readonly calls: Call[] = []
  readonly underWay = new Set<Call>()
  readonly stop = new AbortController()
  most = 0

  readonly perform: Perform = ({ key }, turn) =>
    new Promise((resolve, reject) => {
      const ended = (settleCall: () => void) => () => {
        this.underWay.delete(call)
        settleCall()
      }
      const call: Call = {
        key,
        turn,
        atMs: this.clock.nowMs(),
        end: ended(resolve),
        fail: ended(() => reject(new Error('failed'))),
      }
      this.calls.push(call)
      this.underWay.add(call)
      this.most = Math.max(this.most, this.underWay.size)
    })

  options(count: number, perform: Perform = this.perform) {
    const operations = Array.from(
      { length: count },
      (_, at): LoadOperation => ({ type: 'get', key: `k${at}` }),
    )
    const { clock, stop } = this
    return { source: new FileSource(operations), perform, clock, signal: stop.signal, drainMs: 1_000 }
  }

  async endAll(): Promise<void> {
    while (this.underWay.size > 0) {
      for (const call of [...this.underWay]) call.end()
      await settle()
    }
  }
}

/** Whether it has been resolved by now. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  await settle()
  return Promise.race([promise.then(() => true), settle().then(() => false)])
}

const endless = (clients: number) => ({ steps: [{ clients, forMs: Infinity }], onStep: () => {} })

test('each client of a closed loop has one operation at a time, until there are no more', async t => {
  const bench = new Bench()
  const done = runClosedLoop({ ...bench.options(20), ...endless(3) })
  await settle()
  t.deepEqual(
    bench.calls.map(({ turn }) => turn.client),
    [0, 1, 2],
  )
  bench.calls[1]!.end()
  await settle()
  t.is(bench.calls[3]!.turn.client, 1)
  await bench.endAll()
  t.true(await isDone(done))
  t.is(bench.most, 3)
  t.deepEqual(
    bench.calls.map(({ key }) => key),
    Array.from({ length: 20 }, (_, at) => `k${at}`),
  )
})

test('a ramp changes the number of clients, says each step, and ends with the last one', async t => {
  const bench = new Bench()
  const steps = [1, 3, 2].map(clients => ({ clients, forMs: 100 }))
  const seen: [number, number][] = []
  const onStep = ({ clients }: { clients: number }) => void seen.push([bench.clock.nowMs(), clients])
  const done = runClosedLoop({ ...bench.options(100), steps, onStep })
  await settle()
  t.is(bench.underWay.size, 1)
  await bench.clock.advanceTo(100)
  t.is(bench.underWay.size, 3)
  await bench.clock.advanceTo(200)
  for (const call of [...bench.underWay]) call.end()
  await settle()
  t.deepEqual(
    [...bench.underWay].map(({ turn }) => turn.client),
    [0, 1],
  )
  await bench.clock.advanceTo(300)
  const begun = bench.calls.length
  t.false(await isDone(done))
  await bench.endAll()
  t.true(await isDone(done))
  t.is(bench.calls.length, begun)
  t.deepEqual(seen, [
    [0, 1],
    [100, 3],
    [200, 2],
  ])
})

test('a client that was let go comes back with a later step', async t => {
  const bench = new Bench()
  const steps = [2, 1, 2].map(clients => ({ clients, forMs: 100 }))
  const done = runClosedLoop({ ...bench.options(100), steps, onStep: () => {} })
  await bench.clock.advanceTo(150)
  for (const call of [...bench.underWay]) call.end()
  await settle()
  t.is(bench.underWay.size, 1)
  await bench.clock.advanceTo(200)
  t.is(bench.underWay.size, 2)
  bench.stop.abort()
  await bench.endAll()
  t.true(await isDone(done))
})

test('a client goes on after a failure, after a pause', async t => {
  const bench = new Bench()
  void runClosedLoop({ ...bench.options(3), ...endless(1) })
  await settle()
  bench.calls[0]!.fail()
  await bench.clock.advanceTo(FAILURE_PAUSE_MS - 1)
  t.is(bench.calls.length, 1)
  await bench.clock.advanceTo(FAILURE_PAUSE_MS)
  t.is(bench.calls.length, 2)
})

test('told to stop, a loop begins nothing more and waits for what is under way, but not for ever', async t => {
  for (const kind of ['closed', 'open'] as const) {
    const bench = new Bench()
    const done =
      kind === 'closed'
        ? runClosedLoop({ ...bench.options(100), ...endless(2) })
        : runOpenLoop({ ...bench.options(100), ratePerSecond: 1_000, clients: 2, durationMs: Infinity })
    await bench.clock.advanceTo(1)
    t.is(bench.underWay.size, 2, kind)
    bench.stop.abort()
    bench.calls[0]!.end()
    await bench.clock.advanceTo(900)
    t.is(bench.calls.length, 2, kind)
    t.false(await isDone(done), kind)
    await bench.clock.advanceTo(1_001)
    t.true(await isDone(done), kind)
  }
})

test('a loop that is stopped before it begins does nothing', async t => {
  const bench = new Bench()
  bench.stop.abort()
  await runClosedLoop({ ...bench.options(5), ...endless(2) })
  const end = await runOpenLoop({ ...bench.options(5), ratePerSecond: 1, clients: 2, durationMs: 1_000 })
  t.is(end.notBegun, 0)
  t.is(bench.calls.length, 0)
})

test('an open loop begins operations at its rate, whether or not they are answered', async t => {
  const bench = new Bench()
  const done = runOpenLoop({ ...bench.options(5), ratePerSecond: 100, clients: 10, durationMs: Infinity })
  await bench.clock.advanceTo(35)
  t.deepEqual(
    bench.calls.map(({ atMs, turn }) => [atMs, turn.intendedMs]),
    [
      [0, 0],
      [10, 10],
      [20, 20],
      [30, 30],
    ],
  )
  await bench.clock.advanceTo(1_000)
  t.is(bench.calls.length, 5)
  t.false(await isDone(done))
  await bench.endAll()
  t.true(await isDone(done))
  t.is((await done).notBegun, 0)
})

test('an operation whose turn comes while all clients are busy is late, and keeps its intended time', async t => {
  const bench = new Bench()
  void runOpenLoop({ ...bench.options(10), ratePerSecond: 100, clients: 2, durationMs: Infinity })
  await bench.clock.advanceTo(45)
  t.is(bench.calls.length, 2)
  bench.calls[0]!.end()
  bench.calls[1]!.end()
  await settle()
  t.deepEqual(
    bench.calls.slice(2).map(({ atMs, turn }) => [atMs, turn.intendedMs]),
    [
      [45, 20],
      [45, 30],
    ],
  )
})

test('an open loop ends with its duration, and says what was due by then and not begun', async t => {
  const bench = new Bench()
  const done = runOpenLoop({ ...bench.options(100), ratePerSecond: 100, clients: 2, durationMs: 100 })
  await bench.clock.advanceTo(100)
  t.is(bench.calls.length, 2)
  await bench.endAll()
  t.true(await isDone(done))
  t.is(bench.calls.length, 2)
  t.is((await done).notBegun, 8)
})

test('operations of one key keep their order, and those of others do not wait for them', async t => {
  const bench = new Bench()
  const operations = ['a', 'a', 'b', 'a'].map((key): LoadOperation => ({ type: 'get', key }))
  const source = new FileSource(operations)
  const done = runClosedLoop({ ...bench.options(0, inKeyOrder(bench.perform)), source, ...endless(4) })
  await settle()
  t.deepEqual(
    bench.calls.map(({ key }) => key),
    ['a', 'b'],
  )
  bench.calls[0]!.fail()
  await settle()
  t.deepEqual(
    bench.calls.map(({ key, turn }) => [key, turn.client]),
    [
      ['a', 0],
      ['b', 2],
      ['a', 1],
    ],
  )
  bench.stop.abort()
  await bench.endAll()
  t.true(await isDone(done))
  t.is(bench.calls.length, 3)
})
