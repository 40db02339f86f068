/** Reads and writes of single keys: the workloads normal, write-heavy and hot-cold. */

import { Random } from '../../random.js'
import { type KeyChoice, keyChoiceOf, keyName } from './key-choice.js'
import type { LoadOperation, OperationStream } from './operations.js'
import { UniqueValues } from './unique-values.js'
import type { MixedWorkload } from './workload.js'

/** What one client does. Clients of one seed are independent of each other. */
export class MixedStream implements OperationStream {
  readonly #workload: MixedWorkload
  readonly #random: Random
  readonly #values: UniqueValues
  readonly #choose: KeyChoice
  readonly #digits: number

  constructor(workload: MixedWorkload, seed: number, client: number) {
    this.#workload = workload
    this.#random = new Random(seed, `client ${client}`)
    this.#values = new UniqueValues(`c${client}`, workload.valueSizeBytes)
    this.#choose = keyChoiceOf(workload)
    this.#digits = String(workload.keys - 1).length
  }

  next(): LoadOperation {
    const { keyPrefix, writeShare, deleteShare } = this.#workload
    const key = keyName(`${keyPrefix}key-`, this.#choose(this.#random), this.#digits)
    if (!this.#random.chance(writeShare)) return { type: 'get', key }
    if (this.#random.chance(deleteShare)) return { type: 'delete', key }
    return { type: 'set', key, value: this.#values.next() }
  }
}
