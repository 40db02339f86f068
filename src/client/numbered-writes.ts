/**
 * Writes under request ids that the caller chose, for tools that must not write the same thing twice, however often and
 * from wherever they are run. Clients number their own writes: this is not for them.
 */
import type { BatchRequest, BatchResponse } from '../generated/varve/v1/kv.js'
import { Channels } from './channels.js'
import { callUnary } from './unary.js'

/** Sends single calls; nothing is repeated here. */
export class NumberedWrites {
  readonly #timeoutMs: number
  readonly #channels = new Channels()

  /** `timeoutMs`: of one call. */
  constructor(options: { readonly timeoutMs: number }) {
    this.#timeoutMs = options.timeoutMs
  }

  /**
   * One call to a process, which passes it on to the shard's head. The same request again is answered with what became
   * of the first. Rejects with `VarveError` that says the outcome.
   */
  write(address: string, request: BatchRequest): Promise<BatchResponse> {
    const { kv } = this.#channels.peer(address)
    return callUnary<BatchResponse>(address, this.#timeoutMs, undefined, done => kv.batch(request, done))
  }

  /** Ends all channels. Calls that are under way reject. */
  close(): void {
    this.#channels.close()
  }
}
