/**
 * The request table as rows of a checkpoint's or base's frames: (id 16 bytes, forgotten f64, newest f64, pairs u32, then
 * sequence f64 and index f64 of each), least recently used client first.
 */
import type { CommittedRequests } from './committed-requests.js'
import { rememberedPairs } from './committed-requests.js'
import type { FrameWriter } from './frames.js'

const CLIENT_ROW_SIZE_BYTES = 36
const PAIR_SIZE_BYTES = 16

/** A client as it is read back; all its pairs count. */
export interface RestoredClient {
  readonly name: string
  readonly forgotten: number
  readonly newest: number
  readonly pairs: Float64Array
  readonly covered: readonly number[]
}

/** Frames of this kind with all clients, made one by one as they are taken; each holds until the next. */
export function* clientFrames(
  requests: CommittedRequests,
  frame: FrameWriter,
  kind: number,
): Generator<Buffer> {
  for (const client of requests.clients) {
    const pairs = rememberedPairs(requests, client)
    let at = frame.take(CLIENT_ROW_SIZE_BYTES + pairs.length * 8)
    frame.bytes.write(client.name, at, 'latin1')
    frame.bytes.writeDoubleLE(client.forgotten, at + 16)
    frame.bytes.writeDoubleLE(client.newest, at + 24)
    frame.bytes.writeUInt32LE(pairs.length / 2, at + 32)
    at += CLIENT_ROW_SIZE_BYTES
    for (const number of pairs) at = frame.bytes.writeDoubleLE(number, at)
    if (frame.isFull) yield frame.finish(kind)
  }
  yield frame.finish(kind)
}

/** Reads the rows of one frame. */
export function* readClients(payload: Buffer): Generator<RestoredClient> {
  for (let at = 0; at < payload.length; ) {
    const name = payload.toString('latin1', at, at + 16)
    const forgotten = payload.readDoubleLE(at + 16)
    const newest = payload.readDoubleLE(at + 24)
    const pairs = new Float64Array(payload.readUInt32LE(at + 32) * 2)
    at += CLIENT_ROW_SIZE_BYTES
    for (let i = 0; i < pairs.length; i++) pairs[i] = payload.readDoubleLE(at + i * 8)
    at += (pairs.length / 2) * PAIR_SIZE_BYTES
    yield { name, forgotten, newest, pairs, covered: [] }
  }
}
