/**
 * Unary gRPC calls over one HTTP/2 connection, with as little work as the protocol allows: a load generator that is
 * slower than the server measures itself. It sends every header in full, reads none, and takes a call that ends
 * without a message for a refused one (RFC 9113; gRPC over HTTP/2).
 */

import { connect, type Socket } from 'node:net'
import { splitAddress } from '../../../src/node/address.js'

const Frame = { DATA: 0, HEADERS: 1, RESET: 3, SETTINGS: 4, PING: 6, GO_AWAY: 7, WINDOW_UPDATE: 8 } as const
const END_STREAM = 0x1
const END_HEADERS = 0x4
const ACK = 0x1
const FRAME_HEAD_SIZE = 9
const MESSAGE_HEAD_SIZE = 5
const WINDOW_FIRST = 65_535
const WINDOW_MAX = 0x7fffffff
/** Received bytes after which the peer is given room again. */
const WINDOW_RENEW = 0x20000000
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const INITIAL_WINDOW_SIZE = 4
const HEADER_TABLE_SIZE = 1

interface Call {
  readonly parts: Buffer[]
  resolve(message: Buffer): void
  reject(error: Error): void
}

export class UnaryConnection {
  readonly #socket: Socket
  readonly #authority: string
  readonly #headers = new Map<string, Buffer>()
  readonly #calls = new Map<number, Call>()
  /** Requests that the peer's window has no room for yet. */
  #held: { readonly path: string; readonly message: Buffer; readonly call: Call }[] = []
  #sendWindow = WINDOW_FIRST
  #receivedBytes = 0
  #nextStream = 1
  #rest: Buffer = Buffer.alloc(0)
  #isCorked = false
  #failure: Error | undefined

  /** Connects; rejects where nobody listens. */
  static open(address: string): Promise<UnaryConnection> {
    const socket = connect({ ...splitAddress(address)!, noDelay: true })
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new UnaryConnection(socket, address))
      })
    })
  }

  private constructor(socket: Socket, authority: string) {
    this.#socket = socket
    this.#authority = authority
    socket.on('data', bytes => this.#receive(bytes))
    socket.on('error', error => this.#end(error))
    socket.on('close', () => this.#end(new Error(`${authority} closed the connection`)))
    const settings = Buffer.alloc(12)
    settings.writeUInt16BE(HEADER_TABLE_SIZE, 0)
    settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 6)
    settings.writeUInt32BE(WINDOW_MAX, 8)
    socket.write(PREFACE)
    socket.write(frame(Frame.SETTINGS, 0, 0, settings))
    socket.write(windowUpdate(WINDOW_MAX - WINDOW_FIRST))
  }

  /** Calls a method by its path, `/package.Service/Method`. Resolves with the response's message. */
  call(path: string, message: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const call: Call = { parts: [], resolve, reject }
      if (this.#held.length > 0 || message.length + MESSAGE_HEAD_SIZE > this.#sendWindow) {
        this.#held.push({ path, message, call })
      } else {
        this.#send(path, message, call)
      }
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(path: string, message: Buffer, call: Call): void {
    const stream = this.#nextStream
    this.#nextStream += 2
    this.#calls.set(stream, call)
    this.#cork()
    const headers = this.#headersOf(path)
    const size = MESSAGE_HEAD_SIZE + message.length
    const bytes = Buffer.allocUnsafe(2 * FRAME_HEAD_SIZE + headers.length + size)
    let at = writeFrameHead(bytes, 0, headers.length, Frame.HEADERS, END_HEADERS, stream)
    at += headers.copy(bytes, at)
    at = writeFrameHead(bytes, at, size, Frame.DATA, END_STREAM, stream)
    bytes[at] = 0
    bytes.writeUInt32BE(message.length, at + 1)
    message.copy(bytes, at + MESSAGE_HEAD_SIZE)
    this.#sendWindow -= size
    this.#socket.write(bytes)
  }

  #sendHeld(): void {
    const held = this.#held
    this.#held = []
    for (const [at, { path, message, call }] of held.entries()) {
      if (message.length + MESSAGE_HEAD_SIZE > this.#sendWindow) {
        this.#held = held.slice(at)
        return
      }
      this.#send(path, message, call)
    }
  }

  /** What is written in one turn of the event loop leaves together. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#socket.cork()
    setImmediate(() => {
      this.#isCorked = false
      this.#socket.uncork()
    })
  }

  #headersOf(path: string): Buffer {
    let headers = this.#headers.get(path)
    if (headers === undefined) {
      headers = requestHeaders(path, this.#authority)
      this.#headers.set(path, headers)
    }
    return headers
  }

  #receive(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    while (at + FRAME_HEAD_SIZE <= all.length) {
      const end = at + FRAME_HEAD_SIZE + all.readUIntBE(at, 3)
      if (end > all.length) break
      const stream = all.readUInt32BE(at + 5) & 0x7fffffff
      this.#frame(all[at + 3]!, all[at + 4]!, stream, all.subarray(at + FRAME_HEAD_SIZE, end))
      at = end
    }
    this.#rest = all.subarray(at)
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === Frame.DATA) this.#data(stream, payload)
    if (type === Frame.DATA || type === Frame.HEADERS) {
      if ((flags & END_STREAM) !== 0) this.#finish(stream)
    } else if (type === Frame.WINDOW_UPDATE) {
      if (stream !== 0) return
      this.#sendWindow += payload.readUInt32BE(0)
      this.#sendHeld()
    } else if (type === Frame.SETTINGS && (flags & ACK) === 0) {
      this.#socket.write(frame(Frame.SETTINGS, ACK, 0, Buffer.alloc(0)))
    } else if (type === Frame.PING && (flags & ACK) === 0) {
      this.#socket.write(frame(Frame.PING, ACK, 0, payload))
    } else if (type === Frame.RESET) {
      this.#calls.get(stream)?.reject(new Error(`${this.#authority} reset a call`))
      this.#calls.delete(stream)
    } else if (type === Frame.GO_AWAY) {
      this.#end(new Error(`${this.#authority} ended the connection: ${payload.toString('latin1', 8)}`))
    }
  }

  #data(stream: number, payload: Buffer): void {
    this.#calls.get(stream)?.parts.push(payload)
    this.#receivedBytes += payload.length
    if (this.#receivedBytes < WINDOW_RENEW) return
    this.#socket.write(windowUpdate(this.#receivedBytes))
    this.#receivedBytes = 0
  }

  #finish(stream: number): void {
    const call = this.#calls.get(stream)
    if (call === undefined) return
    this.#calls.delete(stream)
    const body = call.parts.length === 1 ? call.parts[0]! : Buffer.concat(call.parts)
    if (body.length < MESSAGE_HEAD_SIZE) call.reject(new Error(`${this.#authority} refused a call`))
    else call.resolve(body.subarray(MESSAGE_HEAD_SIZE))
  }

  #end(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    const calls = [...this.#calls.values(), ...this.#held.map(({ call }) => call)]
    this.#calls.clear()
    this.#held = []
    for (const call of calls) call.reject(error)
  }
}

function writeFrameHead(
  bytes: Buffer,
  at: number,
  size: number,
  type: number,
  flags: number,
  stream: number,
): number {
  bytes.writeUIntBE(size, at, 3)
  bytes[at + 3] = type
  bytes[at + 4] = flags
  return bytes.writeUInt32BE(stream, at + 5)
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_SIZE + payload.length)
  payload.copy(bytes, writeFrameHead(bytes, 0, payload.length, type, flags, stream))
  return bytes
}

function windowUpdate(more: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(more)
  return frame(Frame.WINDOW_UPDATE, 0, 0, payload)
}

/** The header block, every field literal or from the static table (RFC 7541): nothing to remember on either side. */
function requestHeaders(path: string, authority: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)])
  return Buffer.concat([
    Buffer.of(0x83, 0x86, 0x04),
    text(path),
    Buffer.of(0x01),
    text(authority),
    Buffer.of(0x0f, 0x10),
    text('application/grpc'),
    Buffer.of(0x00),
    text('te'),
    text('trailers'),
  ])
}
