/** Members that fail, leave, lag, come back and are replaced, as the coordinator decides it. */
import test from 'ava'
import { ChangeTimes } from './support/change-times.js'
import { ControlBench, summaryOf, TICK_MS } from './support/control-bench.js'

function members(bench: ControlBench): string[] {
  return bench.control.current!.members.map(({ address }) => address)
}

/** Whom the shard asks to learn, each once. */
function learners(bench: ControlBench): string[] {
  const asked = bench.take().filter(line => line.startsWith('learn'))
  return [...new Set(asked.map(line => line.split(' to ')[1]!))]
}

/** The learner says that it holds `index`, over some heartbeats. */
function learnerHolds(bench: ControlBench, address: string, index: number): void {
  const { epoch } = bench.control.current!
  for (let beats = 0; beats < 3; beats += 1) {
    bench.tick(2)
    if (bench.isStoring) return
    bench.beat(address, { epoch, learner: true, reportedIndex: index })
  }
}

for (const [gone, head, rest] of [
  ['a', 'b', ['b', 'c']],
  ['b', 'a', ['a', 'c']],
  ['c', 'a', ['a', 'b']],
] as const) {
  test(`without ${gone}, which is silent for too long, the others go on under ${head}`, t => {
    const bench = new ControlBench(['a', 'b', 'c'], 2)
    bench.activate(1, [1, 1, 1])
    bench.silence(gone)
    bench.tick(ChangeTimes.heartbeatTimeoutMs / TICK_MS)
    t.deepEqual(bench.take(), [], 'not before the time is over')
    bench.tick(1)
    bench.change(2, [1, 1, 1])
    t.deepEqual(members(bench), rest)
    t.is(bench.control.current?.head, head)
    t.is(bench.control.status, 'ACTIVE')
    t.is(bench.stored?.base?.epoch, 2)
  })
}

test('a process that says goodbye is not waited for', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.leave('a')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  t.deepEqual(members(bench), ['b', 'c'])
})

test('two that fail at once are both left out, and what stays below minInSync is no base', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.leave('a')
  bench.leave('c')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  t.deepEqual(members(bench), ['b'])
  t.is(bench.stored?.base?.epoch, 1)
  t.is(bench.stored?.active?.epoch, 2)
})

test('who is alive and does not seal in time is left out', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.leave('a')
  bench.control.consider()
  bench.completeStore()
  bench.sealed('b', summaryOf(2, [1, 1, 1]))
  bench.tick(ChangeTimes.sealBelowMinMs / TICK_MS - 1)
  t.false(bench.isStoring, 'with one of two, the other gets more time')
  bench.tick(1)
  bench.completeStore()
  t.deepEqual(members(bench), ['b'])
})

test('a member that fails while the new configuration is told is left out of the next', t => {
  const bench = new ControlBench(['a', 'b', 'c'])
  bench.activate(1, [1, 1, 1])
  bench.leave('a')
  bench.control.consider()
  bench.completeStore()
  for (const address of ['b', 'c']) bench.sealed(address, summaryOf(2, [1, 1, 1]))
  bench.completeStore()
  t.deepEqual(members(bench), ['b', 'c'])
  bench.leave('b')
  bench.tick(1)
  bench.take()
  bench.completeStore()
  bench.sealed('c', summaryOf(3, [1, 1, 1]))
  bench.completeStore()
  bench.office(2)
  t.deepEqual(members(bench), ['c'])
  t.deepEqual(bench.stored?.activeEpochs, [1, 3])
})

test('when nobody lives on, the first that comes back waits for the others, but not for ever', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  for (const address of ['a', 'b', 'c']) bench.leave(address)
  bench.tick(1)
  t.regex(bench.control.waitingFor, /a, b, c/)
  bench.register('b', 12, summaryOf(1, [1, 1, 1]))
  bench.tick(20)
  t.is(bench.control.waitingFor, 'a, c')
  t.false(bench.isStoring)
  bench.tick(ChangeTimes.outageWaitMs / TICK_MS)
  t.true(bench.isStoring)
  bench.change(2, [1, 1, 1])
  t.deepEqual(members(bench), ['b'])
})

test('when all come back they go on together at once', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  for (const address of ['a', 'b', 'c']) bench.leave(address)
  for (const [at, address] of ['a', 'b', 'c'].entries())
    bench.register(address, 10 + at, summaryOf(1, [1, 1, 1]))
  bench.tick(1)
  bench.change(2, [1, 1, 1])
  t.deepEqual(members(bench), ['a', 'b', 'c'])
})

test('a member that comes back after it was left out learns from the tail, and is a member again once it is near', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.leave('a')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  bench.register('a', 9, summaryOf(1, [1, 1, 1]))
  bench.reported.set('b', 50)
  bench.tick(1)
  t.deepEqual(learners(bench), ['a'])
  t.deepEqual(
    bench.control.learners.map(({ address, upstream }) => `${address} from ${upstream}`),
    ['a from c'],
  )
  learnerHolds(bench, 'a', 20)
  t.false(bench.isStoring, 'it holds 20 of 50')
  learnerHolds(bench, 'a', 50)
  t.true(bench.isStoring)
  bench.change(51, [1, 1, 1], [2, 2, 50])
  t.deepEqual(members(bench), ['b', 'c', 'a'])
  t.deepEqual(bench.control.learners, [])
})

test('learners of a star follow its hub', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2, 'star')
  bench.activate(1, [1, 1, 1])
  bench.leave('c')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  bench.register('c', 9, summaryOf(1, [1, 1, 1]))
  bench.tick(1)
  t.is(bench.control.learners[0]?.upstream, 'a')
})

test('another node takes the place of one that does not come back, after a while', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.register('x', 7, summaryOf(0))
  bench.leave('a')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  bench.tick(ChangeTimes.replacementGraceMs / TICK_MS)
  t.deepEqual(learners(bench), [])
  bench.tick(2)
  t.deepEqual(learners(bench), ['x'])
})

test('a node with another log of the shard is not brought in', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate(1, [1, 1, 1])
  bench.leave('b')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  bench.register('b', 9, { ...summaryOf(1, [1, 1, 1]), logId: 'e'.repeat(32) })
  bench.tick(10)
  t.deepEqual(learners(bench), [])
})

test('a member whose disk is empty is left out and learns like anybody else', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.register('b', 9, summaryOf(0))
  bench.control.consider()
  bench.completeStore()
  bench.sealed('a', summaryOf(2, [1, 1, 1]))
  bench.sealed('b', summaryOf(2))
  bench.sealed('c', summaryOf(2, [1, 1, 1]))
  bench.completeStore()
  t.deepEqual(members(bench), ['a', 'c'])
  bench.office(2)
  bench.tick(1)
  t.deepEqual(learners(bench), ['b'])
})

test('of two that lag only the one nearest the head is removed, and stays out for a while', t => {
  const bench = new ControlBench(['a', 'b', 'c', 'd'], 2)
  bench.activate(1, [1, 1, 1])
  bench.reported.set('a', 30)
  bench.tick(ChangeTimes.lagMs / TICK_MS)
  t.deepEqual(bench.take(), ['store 4'], 'what was reported, and nothing else')
  bench.completeStore()
  bench.tick(3)
  t.true(bench.isStoring)
  bench.change(31, [1, 1, 30])
  t.deepEqual(members(bench), ['a', 'c', 'd'])
  bench.tick(20)
  t.deepEqual(learners(bench), [], 'b is alive, and has to wait')
})

test('a head whose disk does not sync any more is removed', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.beat('a', { epoch: 1, active: true, reportedIndex: 1, oldestUnsyncedMs: ChangeTimes.lagMs + 1 })
  bench.mute.add('a')
  bench.tick(1)
  bench.change(2, [1, 1, 1])
  t.is(bench.control.current?.head, 'b')
  t.deepEqual(members(bench), ['b', 'c'])
})

test('who makes progress is no laggard, however far behind', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate(1, [1, 1, 1])
  for (let round = 1; round < 40; round += 1) {
    bench.reported.set('a', round * 1_000)
    bench.reported.set('b', round * 900)
    bench.tick(10)
  }
  t.false(bench.take().some(line => line.startsWith('seal')))
  t.deepEqual(members(bench), ['a', 'b'])
})

test('a head that leaves gets rid of what is not committed first', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.control.leave('a')
  bench.tick(1)
  bench.completeStore()
  t.deepEqual(bench.stored?.left, ['a'])
  bench.take()
  bench.tick(1)
  t.deepEqual(bench.take(), ['drain 1 to a'])
  bench.beat('a', { epoch: 1, active: true, reportedIndex: 4, commitIndex: 4, drained: true })
  bench.tick(1)
  t.true(bench.isStoring)
  bench.change(5, [1, 1, 4])
  t.deepEqual(members(bench), ['b', 'c'])
  bench.tick(40)
  t.deepEqual(learners(bench), [], 'who left is not brought in again by itself')
})

test('a head that cannot get rid of it leaves all the same', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.control.leave('a')
  bench.tick(1)
  bench.completeStore()
  bench.tick(ChangeTimes.drainMs / TICK_MS)
  t.false(bench.isStoring)
  bench.tick(2)
  t.true(bench.isStoring)
})

test('who left and joins again is brought in, though the shard has as many as it wants', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.control.leave('c')
  bench.tick(1)
  bench.completeStore()
  bench.tick(1)
  bench.change(2, [1, 1, 1])
  t.deepEqual(members(bench), ['a', 'b'])
  bench.control.join('c', true)
  bench.tick(1)
  bench.completeStore()
  t.deepEqual(bench.stored?.left, [])
  bench.take()
  bench.tick(1)
  t.deepEqual(learners(bench), ['c'])
})

test('without a survivor the shard waits, and an operator can begin with what is left', async t => {
  const bench = new ControlBench(['a', 'b'], 2)
  bench.activate(5, [1, 1, 5])
  bench.register('x', 7, summaryOf(1, [1, 1, 3]))
  bench.leave('a')
  bench.leave('b')
  bench.tick(2)
  t.true(bench.control.isStuck)
  t.regex(bench.control.waitingFor, /a survivor: one of a, b/)
  const recovered = bench.control.recover('')
  bench.completeStore()
  bench.sealed('x', summaryOf(2, [1, 1, 3]))
  bench.completeStore()
  const configuration = await recovered
  t.deepEqual(configuration.recovery, { epoch: 2, cutIndex: 3, lostToIndex: 5 })
  bench.office(4)
  t.is(bench.stored?.base?.epoch, 2, 'survivors come from it from now on')
  t.is(bench.stored?.commitBound, 4)
  bench.register('a', 9, summaryOf(1, [1, 1, 5]))
  bench.tick(1)
  t.deepEqual(learners(bench), ['a'])
})

test('a recovery with nothing to go on with says so', async t => {
  const bench = new ControlBench(['a'])
  bench.activate(5, [1, 1, 5])
  bench.leave('a')
  bench.tick(2)
  const recovered = bench.control.recover('')
  bench.completeStore()
  bench.tick(100)
  await t.throwsAsync(recovered, { message: /nothing to go on with/ })
})

test('a node whose clock is far ahead is not made head, and leads no longer', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  for (let beats = 0; beats < 6; beats += 1) {
    bench.tick(1)
    for (const address of ['a', 'b', 'c']) {
      bench.nodes.heardClock(address, bench.nowMs + 1_000_000 + (address === 'a' ? 800 : 0))
    }
  }
  t.is(bench.nodes.clockAheadMs('a'), 800)
  bench.tick(1)
  bench.change(2, [1, 1, 1])
  t.is(bench.control.current?.head, 'b')
  t.deepEqual(members(bench), ['b', 'a', 'c'])
})

test('a clock that was ahead before the others were set is ahead no more', t => {
  const bench = new ControlBench(['a', 'b', 'c'])
  for (let beats = 0; beats < 6; beats += 1) {
    bench.tick(1)
    for (const address of ['a', 'b', 'c']) {
      bench.nodes.heardClock(address, bench.nowMs + 1_000_000 + (address === 'a' ? 800 : 0))
    }
  }
  for (const address of ['b', 'c']) bench.nodes.heardClock(address, bench.nowMs + 1_003_000)
  t.is(bench.nodes.clockAheadMs('a'), 0)
})

test('late heartbeats do not make the clocks of those that are in time look ahead', t => {
  const bench = new ControlBench(['a', 'b', 'c'])
  for (let beats = 0; beats < 30; beats += 1) {
    bench.tick(1)
    const lateMs = beats % 3 === 0 ? 0 : 900
    bench.nodes.heardClock('a', bench.nowMs + 1_000_000)
    for (const address of ['b', 'c']) bench.nodes.heardClock(address, bench.nowMs + 1_000_000 - lateMs)
    t.is(bench.nodes.clockAheadMs('a'), 0)
  }
})

test('a learner is not near before the head has said what there is to hold', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.leave('c')
  bench.control.consider()
  bench.change(2, [1, 1, 1])
  bench.register('c', 9, summaryOf(0))
  bench.mute.add('a')
  learnerHolds(bench, 'c', 7)
  learnerHolds(bench, 'c', 8)
  t.false(bench.isStoring, 'nothing was heard of the head in this epoch')
})

test('a learner of the base is still a survivor after it was cut where its new head said, and not when it lost more', t => {
  for (const [held, survives] of [
    [40, true],
    [39, false],
  ] as const) {
    const bench = new ControlBench(['a', 'b'], 2)
    bench.activate(1, [1, 1, 1])
    bench.beat('b', { epoch: 1, active: true, reportedIndex: 60 })
    bench.leave('b')
    bench.tick(1)
    bench.change(41, [1, 1, 40])
    t.deepEqual(members(bench), ['a'])
    t.is(bench.stored?.base?.epoch, 1, 'one of two is no base')
    bench.register('b', 9, summaryOf(1, [1, 1, 60]))
    bench.tick(1)
    t.deepEqual(learners(bench), ['b'])
    bench.leave('a')
    bench.tick(ChangeTimes.outageWaitMs / TICK_MS + 2)
    bench.completeStore()
    bench.sealed('b', summaryOf(bench.stored!.reservedEpoch, [1, 1, held]))
    t.is(bench.control.current?.head, survives ? 'b' : 'a')
    t.is(bench.control.isStuck, !survives)
  }
})

test('a replica that serves in an epoch long over is told so', t => {
  const bench = new ControlBench(['a', 'b', 'c'], 2)
  bench.activate(1, [1, 1, 1])
  bench.silence('a')
  bench.tick(25)
  bench.change(2, [1, 1, 1])
  bench.alive.set('a', 1)
  bench.control.leave('a')
  bench.tick(1)
  bench.completeStore()
  bench.take()
  bench.beat('a', { epoch: 1, active: true, reportedIndex: 9 })
  t.deepEqual(bench.take(), ['seal 2 to a'])
})
