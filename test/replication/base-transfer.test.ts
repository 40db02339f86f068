import test from 'ava'
import fc from 'fast-check'
import type { BaseChunk, BaseReceipt } from '../../src/generated/varve/v1/replication.js'
import { BaseReceiver, type BaseSink } from '../../src/replication/base-receiver.js'
import {
  BASE_CHUNK_SIZE_BYTES,
  BASE_RESEND_TICKS,
  BASE_WINDOW_SIZE_BYTES,
  type BaseContent,
  BaseSender,
} from '../../src/replication/base-sender.js'

/** A base whose bytes tell where they are. `pieceSize`: how much a read gives at most. */
function contentOf(totalBytes: number, index = 100, pieceSize = 32_768): BaseContent & { bytes: Buffer } {
  const bytes = Buffer.alloc(totalBytes)
  for (let at = 0; at < totalBytes; at += 1) bytes[at] = (at * 31 + index + (at >>> 8)) & 0xff
  const read = (offset: number, max: number) => bytes.subarray(offset, offset + Math.min(max, pieceSize))
  return { index, hash: Buffer.alloc(32, index), totalBytes, read, bytes }
}

/** Takes bytes and says at once, or when it is told to, that they are written. */
class TestSink implements BaseSink {
  bytes: Buffer[] = []
  begun: number[] = []
  finished = 0
  held = 0
  isSlow = false
  receiver: BaseReceiver | undefined

  begin({ index }: { index: number }): void {
    this.bytes = []
    this.held = 0
    this.begun.push(index)
  }

  write(bytes: Buffer): void {
    this.bytes.push(bytes)
    this.held += bytes.length
    if (!this.isSlow) this.drain()
  }

  drain(): void {
    const { held } = this
    this.held = 0
    if (held > 0) this.receiver!.written(held)
  }

  finish(): void {
    this.finished += 1
  }

  get all(): Buffer {
    return Buffer.concat(this.bytes)
  }
}

/** A sender and a receiver with a channel each way, that a test moves messages along. */
class Transfer {
  readonly chunks: BaseChunk[] = []
  readonly receipts: BaseReceipt[] = []
  readonly sink = new TestSink()
  readonly receiver = new BaseReceiver(this.sink, receipt => this.receipts.push(receipt))
  sender: BaseSender
  chunksSent = 0

  constructor(content: BaseContent) {
    this.sink.receiver = this.receiver
    this.sender = this.#newSender(content)
  }

  replace(content: BaseContent): void {
    this.sender = this.#newSender(content)
  }

  /** Everything arrives, until nothing moves. */
  settle(): void {
    while (this.chunks.length > 0 || this.receipts.length > 0) {
      for (const chunk of this.chunks.splice(0)) this.receiver.chunk(chunk)
      for (const receipt of this.receipts.splice(0)) this.sender.receipt(receipt)
    }
  }

  tick(): void {
    this.sender.tick()
    this.receiver.tick()
  }

  #newSender(content: BaseContent): BaseSender {
    const sender = new BaseSender(content, chunk => {
      this.chunksSent += 1
      this.chunks.push(chunk)
    })
    sender.begin()
    return sender
  }
}

test('a base arrives as it was sent, in chunks, and both sides know how far it is', t => {
  const content = contentOf(10_000_001)
  const transfer = new Transfer(content)
  const { sender, receiver, sink } = transfer
  t.false(receiver.isReceiving)
  t.is(receiver.totalBytes, 0)
  receiver.chunk(transfer.chunks.shift()!)
  t.true(receiver.isReceiving)
  t.is(receiver.receivedBytes, BASE_CHUNK_SIZE_BYTES)
  t.is(receiver.totalBytes, content.totalBytes)
  transfer.settle()
  t.true(sender.isDone)
  t.is(sender.acknowledgedBytes, content.totalBytes)
  t.false(receiver.isReceiving)
  t.is(sink.finished, 1)
  t.true(sink.all.equals(content.bytes))
  t.is(transfer.chunksSent, Math.ceil(content.totalBytes / BASE_CHUNK_SIZE_BYTES))
})

test('no more than the window is on its way, or unwritten at the receiver', t => {
  const transfer = new Transfer(contentOf(20_000_000))
  transfer.sink.isSlow = true
  for (let round = 0; round < 100; round += 1) {
    transfer.settle()
    transfer.tick()
    t.true(transfer.sink.held <= BASE_WINDOW_SIZE_BYTES)
  }
  t.is(transfer.sink.held, BASE_WINDOW_SIZE_BYTES)
  while (!transfer.sender.isDone) {
    transfer.sink.drain()
    transfer.settle()
  }
  t.is(transfer.sink.finished, 1)
})

test('what is not heard of is sent again after some ticks, and not before', t => {
  const content = contentOf(600_000)
  const transfer = new Transfer(content)
  const first = transfer.chunks.splice(0).length
  for (let tick = 1; tick < BASE_RESEND_TICKS; tick += 1) transfer.tick()
  t.is(transfer.chunks.length, 0)
  transfer.tick()
  t.is(transfer.chunks.length, first)
  transfer.settle()
  t.true(transfer.sink.all.equals(content.bytes))
})

test('what the link did not take, or lost when it broke, is sent again at the next tick', t => {
  const content = contentOf(3_000_000)
  let refuse = true
  const taken: BaseChunk[] = []
  const sender: BaseSender = new BaseSender(content, chunk => {
    if (refuse) sender.dropped()
    else taken.push(chunk)
  })
  sender.begin()
  t.is(taken.length, 0)
  refuse = false
  sender.tick()
  t.is(taken[0]!.offsetBytes, 0)
  t.is(taken.length, 12)
  sender.linkDown()
  sender.tick()
  t.is(taken.length, 24)
})

test('a lost last receipt is said again when the sender asks', t => {
  const transfer = new Transfer(contentOf(100_000))
  for (const chunk of transfer.chunks.splice(0)) transfer.receiver.chunk(chunk)
  transfer.receipts.length = 0
  for (let tick = 0; tick < BASE_RESEND_TICKS; tick += 1) transfer.tick()
  transfer.settle()
  t.true(transfer.sender.isDone)
  t.is(transfer.sink.finished, 1)
})

test('a base at a higher index takes the place of one that is coming in; late chunks of the old one do nothing', t => {
  const transfer = new Transfer(contentOf(6_000_000, 100))
  const old = transfer.chunks.splice(0)
  transfer.receiver.chunk(old[0]!)
  transfer.receiver.chunk(old[1]!)
  const newer = contentOf(5_000_000, 200)
  transfer.replace(newer)
  transfer.receiver.chunk(transfer.chunks.shift()!)
  for (const chunk of old) transfer.receiver.chunk(chunk)
  transfer.settle()
  t.deepEqual(transfer.sink.begun, [100, 200])
  t.true(transfer.sink.all.equals(newer.bytes))
  t.is(transfer.receiver.index, 200)
})

test('a receiver that must begin anew gets everything again from the same sender', t => {
  const content = contentOf(9_000_000)
  const transfer = new Transfer(content)
  for (const chunk of transfer.chunks.splice(0)) transfer.receiver.chunk(chunk)
  for (const receipt of transfer.receipts.splice(0)) transfer.sender.receipt(receipt)
  transfer.receiver.reset()
  t.is(transfer.receiver.receivedBytes, 0)
  for (let round = 0; round < 50 && !transfer.sender.isDone; round += 1) {
    transfer.settle()
    transfer.tick()
  }
  t.true(transfer.sink.all.equals(content.bytes))
})

test('a sender whose base was replaced says so and sends nothing more', t => {
  const content = contentOf(10_000_000)
  let isGone = false
  const sent: BaseChunk[] = []
  const read = (offset: number, max: number) => (isGone ? undefined : content.read(offset, max))
  const sender = new BaseSender({ ...content, read }, chunk => sent.push(chunk))
  sender.begin()
  t.false(sender.isGone)
  const before = sent.length
  isGone = true
  sender.receipt({ index: content.index, receivedBytes: 1_000_000 })
  t.true(sender.isGone)
  t.is(sent.length, before)
})

test('chunks and receipts that make no sense are ignored', t => {
  const transfer = new Transfer(contentOf(1_000))
  const [chunk] = transfer.chunks
  transfer.receiver.chunk({ ...chunk!, offsetBytes: 900 })
  transfer.receiver.chunk({ ...chunk!, totalBytes: 0 })
  t.deepEqual(transfer.sink.begun, [])
  transfer.sender.receipt({ index: 99, receivedBytes: 1_000 })
  transfer.sender.receipt({ index: 100, receivedBytes: 1_001 })
  t.is(transfer.sender.acknowledgedBytes, 0)
})

/** What happens to the next message on one of the two ways. */
const fate = fc.record({
  way: fc.boolean(),
  /** Which of those under way. */
  pick: fc.nat(20),
  what: fc.constantFrom('deliver', 'deliver', 'deliver', 'lose', 'double', 'tick', 'tick', 'drain', 'break'),
})

test('a base arrives whatever is lost, doubled and overtaken, once the faults end', t => {
  const property = fc.property(
    fc.array(fate, { maxLength: 300 }),
    fc.integer({ min: 1, max: 6_000_000 }),
    fc.integer({ min: 1_000, max: 100_000 }),
    fc.boolean(),
    (fates, size, pieceSize, isSlow) => {
      const content = contentOf(size, 7, pieceSize)
      const transfer = new Transfer(content)
      transfer.sink.isSlow = isSlow
      for (const { way, pick, what } of fates) {
        const queue: (BaseChunk | BaseReceipt)[] = way ? transfer.chunks : transfer.receipts
        if (what === 'tick') transfer.tick()
        else if (what === 'drain') transfer.sink.drain()
        else if (what === 'break') transfer.sender.linkDown()
        else if (queue.length > 0) {
          const at = pick % queue.length
          const message = queue[at]!
          if (what !== 'double') queue.splice(at, 1)
          if (what === 'lose') continue
          if ('bytes' in message) transfer.receiver.chunk(message)
          else transfer.sender.receipt(message)
        }
        if (transfer.sink.held > BASE_WINDOW_SIZE_BYTES)
          throw new Error(`${transfer.sink.held} bytes are held`)
      }
      for (let tick = 0; tick < 400 && !transfer.sender.isDone; tick += 1) {
        transfer.settle()
        transfer.sink.drain()
        transfer.tick()
      }
      const { sender, sink } = transfer
      return sender.isDone && sink.finished === 1 && sink.begun.length === 1 && sink.all.equals(content.bytes)
    },
  )
  t.notThrows(() => fc.assert(property, { numRuns: 100 }))
})
