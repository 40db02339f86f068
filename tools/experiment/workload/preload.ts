/** Writes the records that YCSB's workloads begin with. */

import type { RecordingClient } from '../../history/recording-client.js'
import { runClosedLoop } from './closed-loop.js'
import { type LoadClock, machineClock } from './load-clock.js'
import { PRELOAD_CLIENT } from './load-protocol.js'
import type { LoadOperation, OperationSource } from './operations.js'
import { performOperation } from './perform-operation.js'
import { UniqueValues } from './unique-values.js'
import type { YcsbWorkload } from './workload.js'
import { ycsbKey } from './ycsb-stream.js'

/** Writes under way at most. */
const CONCURRENT = 64

const STRONG = { consistency: 'strong', reads: 'strong' } as const

/**
 * Writes every record once, with strong writes. Rejects with the first failure: without its records the load would not be
 * what was asked for. A signal ends it early.
 */
export async function preload(
  client: RecordingClient,
  workload: YcsbWorkload,
  signal: AbortSignal,
  clock: LoadClock = machineClock,
): Promise<void> {
  const failed = new AbortController()
  await runClosedLoop({
    source: new RecordSource(workload),
    steps: [{ clients: CONCURRENT, forMs: Infinity }],
    onStep: () => {},
    clock,
    drainMs: workload.timeoutMs,
    signal: AbortSignal.any([signal, failed.signal]),
    perform: async (operation, turn) => {
      try {
        await performOperation(client, operation, STRONG, turn)
      } catch (error) {
        failed.abort(error)
      }
    },
  })
  failed.signal.throwIfAborted()
}

/** Sets of records 0 to `records` - 1. */
class RecordSource implements OperationSource {
  readonly #workload: YcsbWorkload
  readonly #values: UniqueValues
  #next = 0

  constructor(workload: YcsbWorkload) {
    this.#workload = workload
    this.#values = new UniqueValues(PRELOAD_CLIENT, workload.valueSizeBytes)
  }

  next(): LoadOperation | undefined {
    const { records, keyPrefix } = this.#workload
    if (this.#next === records) return undefined
    const key = ycsbKey(keyPrefix, this.#next)
    this.#next += 1
    return { type: 'set', key, value: this.#values.next() }
  }
}
