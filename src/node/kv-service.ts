/**
 * The unary calls of `Kv`, for any client in any language at any process. Each finds the shard by the key, then the
 * replica that may answer: here, or at another process that gets the request passed on.
 */
import type { KvServer } from '../generated/varve/v1/kv.js'
import { UnaryCalls } from './unary-calls.js'
import type { UnaryReads } from './unary-reads.js'
import type { UnaryWrites } from './unary-writes.js'

type UnaryMethods = Pick<KvServer, 'get' | 'set' | 'delete' | 'batch' | 'scan'>

export class KvService {
  readonly #calls: UnaryCalls
  readonly #reads: UnaryReads
  readonly #writes: UnaryWrites

  /** `address`: this process's, for errors. */
  constructor(address: () => string, reads: UnaryReads, writes: UnaryWrites) {
    this.#calls = new UnaryCalls(address)
    this.#reads = reads
    this.#writes = writes
  }

  /** The handlers, to be registered with a server. */
  readonly methods: UnaryMethods = {
    get: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#reads.get(request, budget)),
    set: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#writes.set(request, budget)),
    delete: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#writes.delete(request, budget)),
    batch: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#writes.batch(request, budget)),
    scan: (call, done) =>
      this.#calls.handle(call, done, (request, budget) => this.#reads.scan(request, budget)),
  }
}
