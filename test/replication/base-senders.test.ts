import test from 'ava'
import type { BaseChunk } from '../../src/generated/varve/v1/replication.js'
import { BASE_RESEND_TICKS, type BaseContent } from '../../src/replication/base-sender.js'
import { BaseSenders } from '../../src/replication/base-senders.js'

function contentOf(index: number): BaseContent & { isGone: boolean } {
  const content = {
    index,
    hash: Buffer.alloc(32, index),
    totalBytes: 10_000_000,
    isGone: false,
    read: (_offset: number, max: number) => (content.isGone ? undefined : Buffer.alloc(max)),
  }
  return content
}

function sendersOf(contents: { now: BaseContent | undefined }) {
  const sent: (BaseChunk & { to: string })[] = []
  const senders = new BaseSenders(
    () => contents.now,
    (to, chunk) => sent.push({ ...chunk, to }),
  )
  return { senders, sent }
}

test('nobody gets a base where the log is kept from its beginning', t => {
  const { senders, sent } = sendersOf({ now: undefined })
  t.false(senders.start('a'))
  t.is(sent.length, 0)
})

test('each downstream gets its own, and asking again does not begin anew', t => {
  const { senders, sent } = sendersOf({ now: contentOf(5) })
  t.true(senders.start('a'))
  const first = sent.length
  t.true(senders.start('a'))
  t.is(sent.length, first)
  t.true(senders.start('b'))
  t.is(sent.length, 2 * first)
  t.is(senders.count, 2)
  senders.receipt('a', { index: 5, receivedBytes: 1_000_000 })
  t.is(sent.at(-1)!.to, 'a')
  senders.stop('a')
  t.is(senders.count, 1)
  const before = sent.length
  senders.receipt('a', { index: 5, receivedBytes: 2_000_000 })
  t.is(sent.length, before)
})

test('who has all of it and asks again gets it from its beginning', t => {
  const { senders, sent } = sendersOf({ now: contentOf(5) })
  senders.start('a')
  senders.receipt('a', { index: 5, receivedBytes: 10_000_000 })
  senders.start('a')
  t.is(sent.filter(({ offsetBytes }) => offsetBytes === 0).length, 2)
})

test('when another base takes the place of one on its way, that one is sent', t => {
  const old = contentOf(5)
  const contents: { now: BaseContent | undefined } = { now: old }
  const { senders, sent } = sendersOf(contents)
  senders.start('a')
  old.isGone = true
  contents.now = contentOf(9)
  for (let tick = 0; tick < BASE_RESEND_TICKS; tick += 1) senders.tick()
  t.is(sent.at(-1)!.index, 9)
  t.true(sent.some(({ index, offsetBytes }) => index === 9 && offsetBytes === 0))
  senders.clear()
  const before = sent.length
  for (let tick = 0; tick < 2 * BASE_RESEND_TICKS; tick += 1) senders.tick()
  t.is(sent.length, before)
})
