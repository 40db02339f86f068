/** One pipelined connection to a Redis server: commands of one turn of the event loop leave together. */

import { connect, type Socket } from 'node:net'
import { splitAddress } from '../../../src/node/address.js'
import type { Target } from '../targets.js'
import { encodeCommand, type Reply, ReplyReader } from './resp.js'

interface Waiting {
  resolve(reply: Buffer | number | undefined): void
  reject(error: Error): void
}

export class RedisConnection {
  readonly #socket: Socket
  readonly #replies = new ReplyReader()
  /** Commands sent and not answered, oldest first, from `#answered` on. */
  #waiting: Waiting[] = []
  #answered = 0
  #isCorked = false
  #failure: Error | undefined

  /** Connects; rejects where nobody listens. */
  static open(address: string): Promise<RedisConnection> {
    const socket = connect({ ...splitAddress(address)!, noDelay: true })
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RedisConnection(socket))
      })
    })
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', bytes => this.#replies.read(bytes, reply => this.#answer(reply)))
    socket.on('error', error => this.#end(error))
    socket.on('close', () => this.#end(new Error('the connection was closed')))
  }

  /** Sends a command; rejects with the server's error. */
  send(parts: readonly (string | Buffer)[]): Promise<Buffer | number | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#waiting.push({ resolve, reject })
      if (!this.#isCorked) {
        this.#isCorked = true
        this.#socket.cork()
        setImmediate(() => {
          this.#isCorked = false
          this.#socket.uncork()
        })
      }
      this.#socket.write(encodeCommand(parts))
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting[this.#answered++]
    if (this.#answered >= 1_024 && this.#answered * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#answered)
      this.#answered = 0
    }
    if (reply instanceof Error) waiting?.reject(reply)
    else waiting?.resolve(reply)
  }

  #end(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    for (const waiting of this.#waiting.slice(this.#answered)) waiting.reject(error)
    this.#waiting = []
    this.#answered = 0
  }
}

/** The primary under load. Every level is what Redis has: its own disk for a write, its own memory for a read. */
export async function connectRedis(address: string): Promise<Target> {
  const connection = await RedisConnection.open(address)
  return {
    writer: () => (key, value) => connection.send(['SET', key, value]),
    reader: () => key => connection.send(['GET', key]) as Promise<Buffer | undefined>,
  }
}
