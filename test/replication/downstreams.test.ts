import test from 'ava'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import {
  Downstreams,
  OBSERVER_SILENCE_TICKS,
  OBSERVER_SIZE_BYTES_PER_TICK,
} from '../../src/replication/downstreams.js'
import { WINDOW_SIZE_BYTES } from '../../src/replication/progress.js'
import { nextRecord } from './support/records.js'

const RECORD_SIZE_BYTES = OBSERVER_SIZE_BYTES_PER_TICK / 8
const RECORDS = 500

/** A log of many records, and an observer that has none of them and says at once what arrived. */
function observed() {
  const log = new MemoryLogStore().log(0)
  let received = 0
  const downstreams: Downstreams = new Downstreams(
    log,
    (_to, body) => {
      if (body.$case === 'record') received += 1
    },
    () => undefined,
  )
  const append = () => {
    const record = nextRecord(log, 1, 1, RECORD_SIZE_BYTES)
    log.append(record)
    downstreams.forward(record, 0)
  }
  for (let count = 0; count < RECORDS; count += 1) append()
  downstreams.lead(0)
  // What was appended before counts no more.
  downstreams.tick(0)
  const observer = downstreams.observer('b', 1)!
  const tick = () => {
    const before = received
    downstreams.tick(0)
    for (let said = -1; said !== received; ) {
      said = received
      downstreams.report(observer, { index: 0, receivedIndex: received, matched: true }, 0)
    }
    return received - before
  }
  downstreams.follow(observer, { logId: log.logId, lastIndex: 0, commitIndex: 0, epochs: [] }, 0)
  return { append, tick, received: () => received }
}

test('while writes go on an observer is served a bounded part of the log between two ticks', t => {
  const { append, tick } = observed()
  append()
  tick()
  for (let round = 0; round < 5; round += 1) {
    for (let count = 0; count < 4; count += 1) append()
    // What was appended, and the part beside it: it comes nearer by that.
    const served = tick()
    t.true(served >= 4 + 7 && served <= 4 + 8, `${served} records`)
  }
})

test('without writes an observer is served as fast as it takes it', t => {
  const { tick, received } = observed()
  const served = tick()
  t.true(served * RECORD_SIZE_BYTES > WINDOW_SIZE_BYTES, `${served} records`)
  t.is(received(), RECORDS)
})

test('an observer that has caught up is sent at once what is appended', t => {
  const { append, tick, received } = observed()
  while (received() < RECORDS) tick()
  for (let count = 0; count < 10; count += 1) {
    append()
    t.is(received(), RECORDS + count + 1)
    if (count % 2 === 1) tick()
  }
})

test('the log may be trimmed up to what everybody has, and not while one has not matched', t => {
  const log = new MemoryLogStore().log(0)
  const downstreams = new Downstreams(
    log,
    () => {},
    () => undefined,
  )
  for (let count = 0; count < 10; count += 1) log.append(nextRecord(log, 1, 1, 100))
  downstreams.lead(0)
  t.is(downstreams.sharedIndex, log.lastIndex)
  const observer = downstreams.observer('b', 1)!
  t.is(downstreams.sharedIndex, 0)
  downstreams.follow(observer, { logId: log.logId, lastIndex: 0, commitIndex: 0, epochs: [] }, 0)
  t.is(downstreams.sharedIndex, 0)
  downstreams.report(observer, { index: 0, receivedIndex: 7, matched: true }, 0)
  t.is(downstreams.sharedIndex, 7)
  for (let ticks = 0; ticks <= OBSERVER_SILENCE_TICKS; ticks += 1) downstreams.tick(0)
  t.is(downstreams.sharedIndex, log.lastIndex)
})
