/** A session as a client without our code would hold it, and the frames that it sends and gets. */
import { type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js'
import type { ExecutionContext } from 'ava'
import {
  KeyScratch,
  ReadFrameEncoder,
  WriteFrameBuilder,
  WriteSlab,
} from '../../../src/client/frame-encoder.js'
import { ResponseKind } from '../../../src/client/session-frame.js'
import { ResponseFrameReader } from '../../../src/client/session-frame-reader.js'
import {
  KvClient,
  type SessionHello,
  type SessionRequest,
  type SessionResponse,
  type SessionWelcome,
} from '../../../src/generated/varve/v1/kv.js'
import { Operation } from '../../../src/log/entry.js'
import type { FakeNode } from './fake-host.js'

/** A raw session: what a client in another language would have. */
export class RawSession {
  readonly stream: ClientDuplexStream<SessionRequest, SessionResponse>
  readonly messages: SessionResponse[] = []
  error: ServiceError | undefined
  ended = false
  readonly #client: KvClient
  #waiting: (() => void)[] = []

  constructor(t: ExecutionContext, node: FakeNode) {
    this.#client = new KvClient(node.address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': 64 * 1_048_576,
    })
    this.stream = this.#client.session()
    this.stream.on('error', (error: ServiceError) => {
      this.error = error
      this.#wake()
    })
    this.stream.on('end', () => {
      this.ended = true
      this.#wake()
    })
    t.teardown(() => this.close())
  }

  /** Begins to read answers. */
  read(): this {
    this.stream.on('data', (message: SessionResponse) => {
      this.messages.push(message)
      this.#wake()
    })
    return this
  }

  hello(fields: Partial<SessionHello> = {}, frames: Buffer[] = []): this {
    this.stream.write({
      hello: { clientId: Buffer.alloc(0), actor: '', stamp: undefined, ...fields },
      frames,
    })
    return this
  }

  send(...frames: Buffer[]): boolean {
    return this.stream.write({ hello: undefined, frames })
  }

  /**
   * Takes the welcome and then no more, except for what the stream's own buffer takes: 16 messages. (A stream of
   * grpc-js that was never read from takes everything in.)
   */
  async goDeaf(): Promise<this> {
    this.read().hello()
    await this.until(() => this.messages.length > 0)
    this.stream.pause()
    return this
  }

  get welcome(): SessionWelcome | undefined {
    return this.messages[0]?.welcome
  }

  get answers(): Buffer[] {
    return this.messages.flatMap(({ frames }) => frames)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
      })
    }
  }

  close(): void {
    this.stream.cancel()
    this.#client.close()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** A WRITES frame of sets. */
export function writes(
  shard: number,
  firstId: number,
  pairs: readonly (readonly [string, string])[],
): Buffer {
  const [scratch, slab, builder] = [new KeyScratch(), new WriteSlab(), new WriteFrameBuilder()]
  builder.begin()
  for (const [key, value] of pairs) {
    scratch.load(key)
    slab.append(Operation.SET, 0, 0, scratch, value)
    builder.add(slab.bytes, slab.start, slab.end)
  }
  const header = { shard, firstId, observedLamport: 0, consistency: 1 as const }
  return builder.finish({ ...header, acknowledgedBelowOrTokenIndex: 0, tokenEpoch: 0 })
}

/** A READS frame of weak reads. */
export function reads(shard: number, firstId: number, keys: readonly string[]): Buffer {
  const encoder = new ReadFrameEncoder()
  encoder.begin()
  for (const key of keys) encoder.add(key)
  const header = { shard, firstId, observedLamport: 0, consistency: 2 as const }
  return encoder.finish({ ...header, acknowledgedBelowOrTokenIndex: 0, tokenEpoch: 0 })
}

/** Values that the answers to reads bring; null where the key was not found. */
export function valuesOf(answers: readonly Buffer[]): (string | null)[] {
  const reader = new ResponseFrameReader()
  const values: (string | null)[] = []
  for (const answer of answers) {
    reader.reset(answer)
    if (reader.kind !== ResponseKind.READ_RESULTS) continue
    while (reader.next()) {
      const { valueStart, valueLength, flags } = reader
      values.push((flags & 1) === 0 ? null : answer.toString('latin1', valueStart, valueStart + valueLength))
    }
  }
  return values
}

export function failureOf(answer: Buffer) {
  const reader = new ResponseFrameReader()
  reader.reset(answer)
  return { error: reader.failure(), count: reader.count, firstId: reader.firstId }
}
