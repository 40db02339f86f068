/** Where the clients of a generated workload take their operations from. */

import { MixedStream } from './mixed-stream.js'
import type { LoadOperation, OperationSource, OperationStream } from './operations.js'
import type { MixedWorkload, YcsbWorkload } from './workload.js'
import { YcsbStream } from './ycsb-stream.js'

interface ClientState {
  readonly stream: OperationStream
  /** How many operations it still gets. */
  left: number
}

/**
 * A stream for each client. A fixed number of clients shares the operations out beforehand, so that the same seed gives the
 * same operations however fast each client is. With a ramp they are first come, first served; and an open loop, in which
 * nobody can tell who will be free, takes them all as those of client 0.
 */
export class GeneratedSource implements OperationSource {
  readonly #workload: MixedWorkload | YcsbWorkload
  readonly #seed: number
  readonly #clients = new Map<number, ClientState>()
  #left: number

  constructor(workload: MixedWorkload | YcsbWorkload, seed: number) {
    this.#workload = workload
    this.#seed = seed
    this.#left = workload.operations
  }

  next(client: number): LoadOperation | undefined {
    const state = this.#stateOf(client)
    if (this.#left === 0 || state.left === 0) return undefined
    this.#left -= 1
    state.left -= 1
    return state.stream.next()
  }

  #stateOf(client: number): ClientState {
    const known = this.#clients.get(client)
    if (known !== undefined) return known
    const state = { stream: this.#streamOf(client), left: this.#shareOf(client) }
    this.#clients.set(client, state)
    return state
  }

  #streamOf(client: number): OperationStream {
    const workload = this.#workload
    if (workload.kind === 'ycsb') return new YcsbStream(workload, this.#seed, client)
    return new MixedStream(workload, this.#seed, client)
  }

  #shareOf(client: number): number {
    const { clients, operations, ramp, ratePerSecond } = this.#workload
    if (ramp !== undefined || ratePerSecond !== undefined) return operations
    return Math.floor(operations / clients) + (client < operations % clients ? 1 : 0)
  }
}
