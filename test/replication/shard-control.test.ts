import test from 'ava'
import { isActive } from '../../src/replication/configuration.js'
import { ControlBench, EPOCH_HASH, QUIET, summaryOf } from './support/control-bench.js'

test('an epoch is reserved before its first Seal, stored before it is told, and recorded ACTIVE before it is in office', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  t.deepEqual(bench.take(), ['store 1'])
  bench.completeStore()
  t.is(bench.stored?.reservedEpoch, 1)
  t.deepEqual(bench.take(), ['seal 1 to a', 'seal 1 to b'])
  bench.sealed('a', summaryOf(1))
  t.deepEqual(bench.take(), [])
  bench.sealed('b', summaryOf(1))
  t.deepEqual(bench.take(), ['store 2'])
  bench.completeStore()
  t.is(bench.stored?.current?.epoch, 1)
  t.deepEqual(bench.take(), ['configure 1 to a', 'configure 1 to b'])
  t.is(bench.control.status, 'PROPOSED')
  bench.control.ready('a', 1, 1, 1, EPOCH_HASH)
  t.deepEqual(bench.take(), ['store 3'])
  bench.completeStore()
  t.deepEqual(bench.take(), ['activate 1 to a', 'activate 1 to b'])
  t.true(isActive(bench.stored!.current!))
  t.deepEqual(bench.stored?.activeEpochs, [1])
  t.is(bench.control.status, 'ACTIVE')
})

test('a shard waits for every member by name, and begins when the last one is there', t => {
  const bench = new ControlBench(['a', 'b', 'c'])
  bench.leave('a')
  bench.leave('c')
  bench.control.consider()
  t.deepEqual(bench.take(), [])
  t.is(bench.control.waitingFor, 'a, c')
  t.is(bench.control.status, 'WAITING')
  bench.register('a', 4, summaryOf(0))
  bench.register('c', 5, summaryOf(0))
  bench.control.consider()
  t.deepEqual(bench.take(), ['store 1'])
})

test('only the Seal of this epoch and of the process that is alive counts', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  bench.completeStore()
  bench.sealed('a', summaryOf(1))
  bench.take()
  bench.control.sealed('b', 77, 1, summaryOf(1))
  bench.control.sealed('b', 2, 2, summaryOf(2))
  bench.control.sealed('b', 2, 1, summaryOf(2))
  t.deepEqual(bench.take(), [])
  bench.tick(1)
  t.deepEqual(bench.take(), ['seal 1 to b'])
})

test('whoever is slow to seal is asked again in ever longer pauses', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  bench.completeStore()
  bench.take()
  bench.tick(35)
  t.deepEqual(
    bench.take().filter(each => each === 'seal 1 to b').length,
    6,
    'after 50, 150, 350, 750, 1,150 and 1,550 ms',
  )
})

test('at birth nobody gives up while answers come', t => {
  const bench = new ControlBench(['a', 'b', 'c'])
  bench.control.consider()
  bench.completeStore()
  bench.tick(50)
  bench.sealed('a', summaryOf(1))
  bench.tick(50)
  bench.sealed('b', summaryOf(1))
  bench.tick(50)
  t.is(bench.control.status, 'WAITING')
  bench.sealed('c', summaryOf(1))
  bench.completeStore()
  t.is(bench.control.status, 'PROPOSED', 'and the epoch is the first')
  t.is(bench.control.current?.epoch, 1)
})

test('a process that restarts after it sealed is asked again', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  bench.completeStore()
  bench.sealed('a', summaryOf(1))
  bench.register('a', 9, summaryOf(1))
  bench.take()
  bench.sealed('b', summaryOf(1))
  t.deepEqual(bench.take(), [], 'what an earlier life of a said does not count')
  bench.tick(1)
  t.deepEqual(bench.take(), ['seal 1 to a'])
  bench.sealed('a', summaryOf(1))
  t.deepEqual(bench.take(), ['store 2'])
})

test('a process that restarts while it is configured makes a higher epoch necessary', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  bench.completeStore()
  for (const address of ['a', 'b']) bench.sealed(address, summaryOf(1))
  bench.completeStore()
  bench.register('b', 9, summaryOf(1))
  bench.take()
  bench.tick(1)
  t.true(bench.take().includes('store 3'))
  bench.completeStore()
  t.is(bench.stored?.reservedEpoch, 2)
  bench.control.ready('a', 1, 1, 1, EPOCH_HASH)
  t.false(bench.take().includes('store 4'), 'what is ready in the epoch before comes too late')
})

test('a Ready that is not the head of this epoch in this life changes nothing', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  bench.completeStore()
  for (const address of ['a', 'b']) bench.sealed(address, summaryOf(1))
  bench.completeStore()
  bench.take()
  bench.control.ready('b', 2, 1, 1, EPOCH_HASH)
  bench.control.ready('a', 9, 1, 1, EPOCH_HASH)
  bench.control.ready('a', 1, 2, 1, EPOCH_HASH)
  t.deepEqual(bench.take(), [])
  bench.control.ready('a', 1, 1, 1, EPOCH_HASH)
  bench.control.ready('a', 1, 1, 1, EPOCH_HASH)
  t.deepEqual(bench.take(), ['store 3'], 'and twice is once')
})

test('a reserved epoch that a restarted coordinator finds is burnt, though nothing else asks for a change', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate()
  bench.silence('b')
  bench.tick(21)
  bench.completeStore()
  t.is(bench.stored?.reservedEpoch, 2)
  bench.alive.set('b', 2)
  bench.tick(1)
  bench.restart()
  bench.take()
  t.is(bench.control.status, 'WAITING')
  bench.control.consider()
  t.deepEqual(bench.take(), ['store 5'])
  bench.completeStore()
  t.is(bench.stored?.reservedEpoch, 3)
})

test('a proposal that a restarted coordinator finds is superseded; an ACTIVE one is finished', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  bench.completeStore()
  for (const address of ['a', 'b']) bench.sealed(address, summaryOf(1))
  bench.completeStore()
  bench.restart()
  bench.take()
  bench.control.consider()
  bench.completeStore()
  t.is(bench.stored?.reservedEpoch, 2)
  for (const address of ['a', 'b']) bench.sealed(address, summaryOf(2))
  bench.completeStore()
  bench.control.ready('a', 1, 2, 2, EPOCH_HASH)
  bench.completeStore()
  bench.restart()
  bench.take()
  bench.control.consider()
  t.deepEqual(bench.take(), [])
  const beat = { ...QUIET, epoch: 2, reportedIndex: 2, commitIndex: 0, active: false }
  bench.control.heartbeat('a', 1, beat)
  t.deepEqual(bench.take(), ['activate 2 to a'])
  bench.control.heartbeat('a', 1, { ...beat, active: true })
  t.deepEqual(bench.take(), [], 'told once it knows')
})

test('an epoch number is above everything that any replica has adopted', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate()
  bench.register('b', 9, summaryOf(41, [1, 1, 1]))
  bench.control.consider()
  bench.completeStore()
  t.is(bench.stored?.reservedEpoch, 42)
})

test('a coordinator without memory does not make a shard anew over what replicas hold', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.register('b', 2, summaryOf(3, [3, 1, 8]))
  bench.control.consider()
  t.deepEqual(bench.take(), [])
  t.regex(bench.control.waitingFor, /an operator: b holds data of epoch 3/)
})

test('the head is not one that holds less than what was committed, and the shard waits for one that does', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate()
  const beat = { ...QUIET, epoch: 1, reportedIndex: 0, commitIndex: 7, active: true }
  bench.control.heartbeat('a', 1, beat)
  bench.register('b', 9, summaryOf(1, [1, 1, 6]))
  bench.control.consider()
  bench.completeStore()
  bench.sealed('a', summaryOf(2, [1, 1, 6]))
  bench.sealed('b', summaryOf(2, [1, 1, 6]))
  t.regex(bench.control.waitingFor, /index 7; a ends at 6/)
  t.false(bench.take().includes('store 5'))
})

test('the commit bound that is stored never falls', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate(5, [1, 1, 4])
  t.is(bench.stored?.commitBound, 5)
  bench.tick(200)
  const beat = { ...QUIET, epoch: 1, reportedIndex: 5, commitIndex: 3, active: true }
  bench.control.heartbeat('a', 1, { ...beat, reportedIndex: 9 })
  bench.tick(100)
  bench.completeStore()
  t.is(bench.stored?.commitBound, 5)
  t.is(bench.stored?.reports.a, 9)
})

test('reports are stored now and then, without a new shard map', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate()
  const beat = { ...QUIET, epoch: 1, reportedIndex: 8, commitIndex: 7, active: true }
  bench.control.heartbeat('b', 2, beat)
  const before = bench.changes
  bench.tick(100)
  t.deepEqual(bench.take(), ['store 4'])
  bench.completeStore()
  t.is(bench.changes, before)
  t.deepEqual(bench.stored?.reports, { a: 1, b: 8 })
  t.is(bench.stored?.commitBound, 7)
  bench.tick(200)
  t.deepEqual(bench.take(), [], 'what has not changed is not stored again')
})

test('a member that holds less than it had reported is no survivor, even if the report was not stored yet', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate()
  const beat = { ...QUIET, epoch: 1, reportedIndex: 8, commitIndex: 1, active: true }
  bench.control.heartbeat('b', 2, beat)
  t.is(bench.stored?.reports.b, 1)
  bench.register('b', 9, summaryOf(1, [1, 1, 5]))
  bench.control.consider()
  bench.completeStore()
  bench.sealed('a', summaryOf(2, [1, 1, 8]))
  bench.sealed('b', summaryOf(2, [1, 1, 5]))
  t.deepEqual(
    bench.control.current?.members.map(({ address }) => address),
    ['a'],
  )
})

test('what another process or epoch reports is not remembered as the member’s', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.activate()
  const beat = { ...QUIET, epoch: 1, reportedIndex: 8, commitIndex: 8, active: true }
  bench.control.heartbeat('b', 3, beat)
  bench.control.heartbeat('x', 2, beat)
  bench.control.heartbeat('b', 2, { ...beat, epoch: 2 })
  bench.tick(300)
  t.deepEqual(bench.take(), [])
  t.is(bench.stored?.reports.b, 1)
})

test('an epoch below minInSync does not become the base that survivors come from', t => {
  const bench = new ControlBench(['a'], 2)
  bench.activate()
  t.is(bench.stored?.base, null)
  t.is(bench.stored?.commitBound, 0)
  t.deepEqual(bench.stored?.activeEpochs, [1])
})

test('a value that another coordinator stored meanwhile is an error, whatever the epoch', t => {
  const bench = new ControlBench(['a', 'b'])
  bench.control.consider()
  t.throws(() => bench.control.stored(undefined), { message: /another coordinator writes to this store/ })
})
