import test from 'ava'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import {
  Progress,
  RESEND_AFTER_TICKS,
  WINDOW_SIZE_BYTES,
  WINDOW_SIZE_BYTES_FIRST,
} from '../../src/replication/progress.js'
import { nextRecord } from './support/records.js'

/** `count` records of three entries each: 1..3, 4..6 and so on. */
function records(count: number, sizeBytes = 0): LogRecord[] {
  const log = new MemoryLogStore().log(0)
  return Array.from({ length: count }, () => {
    const record = nextRecord(log, 1, 3, sizeBytes)
    log.append(record)
    return record
  })
}

function streaming(): Progress {
  const progress = new Progress('b', 1)
  progress.matched(0)
  return progress
}

test('nothing is sent to a downstream before its Follow was answered', t => {
  const progress = new Progress('b', 1)
  t.false(progress.hasRoom)
  progress.matched(7)
  t.true(progress.hasRoom)
  t.is(progress.nextIndex, 8)
  t.is(progress.receivedIndex, 7)
})

test('a downstream that matched has reported nothing until it says so', t => {
  const progress = streaming()
  progress.report(3, undefined)
  t.is(progress.reportedIndex, undefined)
  progress.report(3, 0)
  t.is(progress.reportedIndex, 0)
})

test('late and repeated reports do not let progress fall', t => {
  const progress = streaming()
  for (const record of records(3)) progress.sent(record)
  progress.report(6, 6)
  progress.report(3, 3)
  progress.report(6, undefined)
  t.is(progress.receivedIndex, 6)
  t.is(progress.reportedIndex, 6)
  t.is(progress.nextIndex, 10)
})

/** Sends from the record at `from` on as long as there is room; how many were sent. */
function fill(progress: Progress, all: readonly LogRecord[], from: number): number {
  let count = 0
  for (; progress.hasRoom && from + count < all.length; count += 1) progress.sent(all[from + count]!)
  return count
}

test('the window closes when so many bytes are in flight, and opens as they arrive', t => {
  const progress = streaming()
  const all = records(3, WINDOW_SIZE_BYTES_FIRST / 6)
  t.is(fill(progress, all, 0), 2)
  progress.report(2, undefined)
  t.false(progress.hasRoom, 'half a record did not arrive')
  progress.report(3, undefined)
  t.true(progress.hasRoom)
})

test('the window grows by what arrives, up to its bound, and is small again after a loss', t => {
  const progress = streaming()
  const perRecord = WINDOW_SIZE_BYTES_FIRST / 2
  const all = records(200, perRecord / 3)
  let [sent, arrived] = [fill(progress, all, 0), 0]
  const inFlight: number[] = []
  for (let round = 0; round < 6; round += 1) {
    inFlight.push(sent - arrived)
    arrived = sent
    progress.report(arrived * 3, undefined)
    sent += fill(progress, all, sent)
  }
  t.deepEqual(inFlight, [2, 4, 8, 16, 32, WINDOW_SIZE_BYTES / perRecord])
  progress.rewind()
  t.is(progress.nextIndex, arrived * 3 + 1)
  t.is(fill(progress, all, arrived), 2)
})

test('a downstream that asks again and again is sent the first window each time, not more', t => {
  const progress = streaming()
  const all = records(100, WINDOW_SIZE_BYTES_FIRST / 6)
  for (let round = 0; round < 5; round += 1) {
    t.is(fill(progress, all, 0), 2)
    progress.matched(0)
  }
})

test('a broken link rewinds to what was received, and opens the window', t => {
  const progress = streaming()
  for (const record of records(3, WINDOW_SIZE_BYTES / 6)) progress.sent(record)
  progress.report(3, 0)
  progress.rewind()
  t.is(progress.nextIndex, 4)
  t.true(progress.hasRoom)
})

test('a downstream that is not followed yet is not rewound', t => {
  const progress = new Progress('b', 1)
  progress.rewind()
  t.is(progress.nextIndex, 0)
  t.false(progress.hasRoom)
})

test('what is in flight is sent again when nothing arrives for long enough, and only then', t => {
  const progress = streaming()
  for (let tick = 0; tick < 2 * RESEND_AFTER_TICKS; tick += 1)
    t.false(progress.tick(), 'nothing is in flight')
  const [first, second] = records(2)
  progress.sent(first!)
  progress.sent(second!)
  for (let tick = 1; tick < RESEND_AFTER_TICKS; tick += 1) t.false(progress.tick())
  progress.report(3, undefined)
  for (let tick = 1; tick < RESEND_AFTER_TICKS; tick += 1) t.false(progress.tick(), 'something had arrived')
  t.true(progress.tick())
  t.is(progress.nextIndex, 4)
})

test('a second Follow does not go back behind what was received', t => {
  const progress = streaming()
  for (const record of records(3)) progress.sent(record)
  progress.report(6, 6)
  progress.matched(0)
  t.is(progress.receivedIndex, 6)
  t.is(progress.nextIndex, 7)
  t.is(progress.reportedIndex, 6)
})

test('a report of more than was sent moves on behind it', t => {
  const progress = streaming()
  const [first, second] = records(2)
  progress.sent(first!)
  progress.sent(second!)
  progress.rewind()
  progress.report(6, 6)
  t.is(progress.nextIndex, 7)
})

test('what the transport did not take is sent again after a pause, and longer ones while it takes nothing', t => {
  const progress = streaming()
  const [first] = records(1)
  const pauses: number[] = []
  for (let round = 0; round < 8; round += 1) {
    progress.sent(first!)
    progress.dropped()
    progress.dropped()
    t.is(progress.nextIndex, 1)
    let ticks = 0
    for (; !progress.hasRoom; ticks += 1) progress.tick()
    pauses.push(ticks)
  }
  t.deepEqual(pauses, [1, 2, 4, 8, 16, 20, 20, RESEND_AFTER_TICKS])
  progress.sent(first!)
  progress.report(3, 3)
  progress.dropped()
  progress.tick()
  t.true(progress.hasRoom, 'what arrives ends the long pauses')
})
