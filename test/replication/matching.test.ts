import test from 'ava'
import fc from 'fast-check'
import type { Follow } from '../../src/generated/varve/v1/replication.js'
import type { Log } from '../../src/log/log.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import { epochEnds, lastSharedEnd } from '../../src/replication/matching.js'
import { LOG_ID, nextRecord, recordEnds } from './support/records.js'

function emptyLog(): Log {
  const log = new MemoryLogStore().log(0)
  log.setLogId(LOG_ID)
  return log
}

function followOf(log: Log): Follow {
  return { logId: log.logId, lastIndex: log.lastIndex, commitIndex: 0, epochs: epochEnds(log) }
}

function appendTo(log: Log, epoch: number, count: number, others: readonly Log[] = []): void {
  const record = nextRecord(log, epoch, count)
  for (const each of [log, ...others]) each.append(record)
}

test('an empty log shares index 0 with every other', t => {
  const log = emptyLog()
  appendTo(log, 1, 3)
  t.deepEqual(lastSharedEnd(log, followOf(emptyLog())), { index: 0, hash: log.hashAt(0) })
  t.deepEqual(lastSharedEnd(emptyLog(), followOf(log)), { index: 0, hash: log.hashAt(0) })
  const unnamed = new MemoryLogStore().log(0)
  t.deepEqual(lastSharedEnd(log, followOf(unnamed)), { index: 0, hash: log.hashAt(0) })
})

test('a log that is behind shares its own end', t => {
  const [ahead, behind] = [emptyLog(), emptyLog()]
  appendTo(ahead, 1, 2, [behind])
  appendTo(ahead, 1, 2)
  appendTo(ahead, 2, 1)
  t.deepEqual(lastSharedEnd(ahead, followOf(behind)), { index: 2, hash: behind.lastHash })
})

test('a log with entries of an epoch that the upstream never saw shares the end of the one before', t => {
  const [one, other] = [emptyLog(), emptyLog()]
  appendTo(one, 1, 2, [other])
  appendTo(other, 2, 1)
  appendTo(one, 3, 4)
  t.deepEqual(lastSharedEnd(one, followOf(other)), { index: 2, hash: one.hashAt(2) })
})

test('logs that left the same epoch at different ends share the shorter one, not the newest epoch number', t => {
  const [one, other] = [emptyLog(), emptyLog()]
  appendTo(one, 1, 2, [other])
  appendTo(other, 1, 3)
  appendTo(other, 4, 1)
  appendTo(one, 5, 9)
  t.deepEqual(lastSharedEnd(one, followOf(other)), { index: 2, hash: one.hashAt(2) })
})

test('a foreign log is a fault', t => {
  const log = emptyLog()
  appendTo(log, 1, 1)
  const answer = lastSharedEnd(log, { ...followOf(log), logId: 'b'.repeat(32) })
  t.true('fault' in answer && answer.fault.includes(LOG_ID))
})

test('two logs of one epoch that differ where the shorter one ends are a fault, never a silent cut', t => {
  const [one, other] = [emptyLog(), emptyLog()]
  appendTo(one, 1, 2)
  other.append(nextRecord(other, 1, 1))
  other.append(nextRecord(other, 1, 1))
  t.true('fault' in lastSharedEnd(one, followOf(other)))
})

test('two logs of one epoch where no record of ours ends at the shorter end are a fault', t => {
  const [one, other] = [emptyLog(), emptyLog()]
  appendTo(one, 1, 5)
  appendTo(other, 1, 2)
  t.true('fault' in lastSharedEnd(one, followOf(other)))
})

/** A step of two logs' common history: who leads the epoch, what it appends, and how much of it the other gets. */
const epochStep = fc.record({
  leads: fc.boolean(),
  records: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
  received: fc.integer({ min: 0, max: 4 }),
  isHeard: fc.boolean(),
})

test('two logs with any possible history share exactly their longest common prefix', t => {
  fc.assert(
    fc.property(fc.array(epochStep, { maxLength: 8 }), steps => {
      const logs = [emptyLog(), emptyLog()] as const
      steps.forEach(({ leads, records, received, isHeard }, at) => {
        const [head, follower] = leads ? logs : [logs[1], logs[0]]
        if (isHeard) follower.cut(lengthOfCommonPrefix(head, follower))
        const own = records.map(count => {
          const record = nextRecord(head, at + 1, count)
          head.append(record)
          return record
        })
        if (isHeard) catchUp(head, follower, own[received - 1]?.lastIndex ?? 0)
      })
      const shared = lastSharedEnd(logs[0], followOf(logs[1]))
      t.is('fault' in shared ? shared.fault : '', '')
      t.is('index' in shared ? shared.index : -1, lengthOfCommonPrefix(logs[0], logs[1]))
      t.deepEqual(shared, lastSharedEnd(logs[1], followOf(logs[0])))
    }),
    { numRuns: 300 },
  )
})

/** Record by record: what the two really share. */
function lengthOfCommonPrefix(one: Log, other: Log): number {
  const others = recordEnds(other)
  let length = 0
  for (const [at, { index, hash }] of recordEnds(one).entries()) {
    if (others[at]?.hash.equals(hash) !== true) break
    length = index
  }
  return length
}

function catchUp(head: Log, follower: Log, toIndex: number): void {
  while (follower.lastIndex < toIndex) follower.append(head.recordAt(follower.lastIndex + 1)!)
}
