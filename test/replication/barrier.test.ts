import test from 'ava'
import {
  BARRIER_RETRY_TICKS,
  HeadBarrier,
  MemberBarrier,
  WAITING_READS_MAX,
} from '../../src/replication/barrier.js'

function waiting(...reads: string[]): HeadBarrier<string> {
  const barrier = new HeadBarrier<string>()
  for (const read of reads) barrier.wait(read)
  return barrier
}

test('a barrier ends when every child has answered its nonce, with the commit index of its beginning', t => {
  const barrier = waiting('r1', 'r2')
  const nonce = barrier.begin(5, ['b', 'c'])
  t.true(barrier.isRunning)
  barrier.answer(nonce, 'b')
  t.is(barrier.finish(), undefined)
  barrier.answer(nonce, 'c')
  t.deepEqual(barrier.finish(), { readIndex: 5, reads: ['r1', 'r2'] })
  t.false(barrier.isRunning)
  t.is(barrier.finish(), undefined)
})

test('a member without downstreams ends its barrier at once', t => {
  const barrier = waiting('r1')
  barrier.begin(5, [])
  t.deepEqual(barrier.finish(), { readIndex: 5, reads: ['r1'] })
})

test('a read that comes during a barrier is not answered by it', t => {
  const barrier = waiting('early')
  const nonce = barrier.begin(5, ['b'])
  barrier.wait('late')
  barrier.answer(nonce, 'b')
  t.deepEqual(barrier.finish()?.reads, ['early'])
  t.true(barrier.hasWaiting)
  const second = barrier.begin(6, ['b'])
  t.not(second, nonce)
  barrier.answer(second, 'b')
  t.deepEqual(barrier.finish(), { readIndex: 6, reads: ['late'] })
})

test('a retry takes a fresh nonce, keeps its reads, and forgets who answered before', t => {
  const barrier = waiting('r1')
  const first = barrier.begin(5, ['b', 'c'])
  barrier.answer(first, 'b')
  for (let tick = 1; tick < BARRIER_RETRY_TICKS; tick += 1) t.false(barrier.tick())
  t.true(barrier.tick())
  const second = barrier.begin(7, ['b', 'c'])
  t.true(second > first)
  barrier.answer(first, 'b')
  barrier.answer(first, 'c')
  barrier.answer(second, 'c')
  t.is(barrier.finish(), undefined, 'late answers to the first nonce do not count')
  barrier.answer(second, 'b')
  t.deepEqual(barrier.finish(), { readIndex: 7, reads: ['r1'] })
})

test('no time-out runs while no barrier does', t => {
  const barrier = waiting('r1')
  for (let tick = 0; tick < 2 * BARRIER_RETRY_TICKS; tick += 1) t.false(barrier.tick())
})

test('giving up hands back all reads, and late answers find nothing', t => {
  const barrier = waiting('r1')
  const nonce = barrier.begin(5, ['b'])
  barrier.wait('r2')
  t.deepEqual(barrier.abandon(), ['r1', 'r2'])
  barrier.answer(nonce, 'b')
  t.is(barrier.finish(), undefined)
  t.false(barrier.hasWaiting)
})

test('a barrier takes only so many reads', t => {
  const barrier = new HeadBarrier<number>()
  for (let read = 1; read < WAITING_READS_MAX; read += 1) barrier.wait(read)
  t.false(barrier.isFull)
  barrier.begin(0, ['b'])
  barrier.wait(WAITING_READS_MAX)
  t.true(barrier.isFull)
})

test('a member passes each nonce on once, and older ones not at all', t => {
  const barrier = new MemberBarrier()
  t.true(barrier.begin(3, ['c', 'd']))
  t.false(barrier.begin(3, ['c', 'd']))
  t.false(barrier.begin(2, ['c', 'd']))
  t.false(barrier.isComplete)
  t.true(barrier.begin(4, ['c', 'd']))
})

test('a member has its subtree complete once, when the last child answers the newest nonce', t => {
  const barrier = new MemberBarrier()
  barrier.begin(1, ['c', 'd'])
  t.false(barrier.answer(1, 'c'))
  barrier.begin(2, ['c', 'd'])
  t.false(barrier.answer(1, 'd'), 'an answer to an older nonce')
  t.false(barrier.answer(2, 'd'))
  t.false(barrier.answer(2, 'd'), 'the same answer twice')
  t.true(barrier.answer(2, 'c'))
  t.false(barrier.answer(2, 'c'))
})

test('a tree that answers more slowly than a barrier is begun anew is given more time, and then as much as it needed', t => {
  const barrier = new HeadBarrier<number>()
  const slowTicks = BARRIER_RETRY_TICKS + 5
  /** Ticks until the barrier is answered; each nonce's answer takes as long. */
  const answeredAfter = () => {
    barrier.wait(1)
    let nonce = barrier.begin(0, ['b'])
    let ticks = 0
    for (let sinceBegin = 0; ; ticks += 1) {
      if (sinceBegin === slowTicks) barrier.answer(nonce, 'b')
      if (barrier.finish() !== undefined) return ticks
      sinceBegin += 1
      if (!barrier.tick()) continue
      nonce = barrier.begin(0, ['b'])
      sinceBegin = 0
    }
  }
  t.true(answeredAfter() > slowTicks)
  t.is(answeredAfter(), slowTicks)
})
