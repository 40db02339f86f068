/**
 * YCSB's core workloads A to F (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010; the mixes of
 * its `workloads/workloada` to `workloadf`), with two differences that make a client's operations depend on the seed
 * alone: a client reads and scans what was there before the load and what it inserted itself, not what others insert
 * meanwhile; and keys are in the order of their numbers (`insertorder=ordered`), which leaves the popular ones scattered.
 */

import { Random } from '../../random.js'
import { keyName } from './key-choice.js'
import type { LoadOperation, OperationStream } from './operations.js'
import { UniqueValues } from './unique-values.js'
import { CLIENTS_MAX, type YcsbName, type YcsbWorkload } from './workload.js'
import { ScrambledZipfian, Zipfian } from './zipfian.js'

type Action = 'read' | 'update' | 'insert' | 'scan' | 'read-modify-write'

/** Shares of the operations, in percent. */
const MIXES: Readonly<Record<YcsbName, Partial<Record<Action, number>>>> = {
  A: { read: 50, update: 50 },
  B: { read: 95, update: 5 },
  C: { read: 100 },
  D: { read: 95, insert: 5 },
  E: { scan: 95, insert: 5 },
  F: { read: 50, 'read-modify-write': 50 },
}

/** Keys of a scan, at most: each number from 1 on is as likely. */
const SCAN_KEYS_MAX = 100
/** Holds the greatest number that an insert may have. */
const KEY_DIGITS = 10

/** The key with that number. Records have 0 to `records` - 1. */
export function ycsbKey(keyPrefix: string, number: number): string {
  return keyName(`${keyPrefix}user`, number, KEY_DIGITS)
}

/** What one client does once the records are there. */
export class YcsbStream implements OperationStream {
  readonly #workload: YcsbWorkload
  readonly #client: number
  readonly #random: Random
  readonly #values: UniqueValues
  readonly #chooseRecord: () => number
  #inserts = 0

  constructor(workload: YcsbWorkload, seed: number, client: number) {
    this.#workload = workload
    this.#client = client
    this.#random = new Random(seed, `client ${client}`)
    this.#values = new UniqueValues(`c${client}`, workload.valueSizeBytes)
    this.#chooseRecord = workload.workload === 'D' ? this.#latest() : this.#popular()
  }

  next(): LoadOperation {
    const { workload, keyPrefix } = this.#workload
    const action = this.#random.weighted(MIXES[workload] as Record<Action, number>)
    if (action === 'insert') {
      const number = this.#insertNumber(this.#inserts)
      this.#inserts += 1
      return { type: 'set', key: ycsbKey(keyPrefix, number), value: this.#values.next() }
    }
    const key = ycsbKey(keyPrefix, this.#chooseRecord())
    if (action === 'read') return { type: 'get', key }
    if (action === 'scan') return { type: 'scan', key, limit: 1 + this.#random.below(SCAN_KEYS_MAX) }
    const type = action === 'update' ? 'set' : 'read-modify-write'
    return { type, key, value: this.#values.next() }
  }

  /** Clients insert between each other's keys: none needs to know what the others have inserted. */
  #insertNumber(insert: number): number {
    return this.#workload.records + insert * CLIENTS_MAX + this.#client
  }

  #popular(): () => number {
    const { records, zipfian } = this.#workload
    const choice = new ScrambledZipfian(records, zipfian)
    return () => choice.next(this.#random)
  }

  /** The newest is the most popular (`SkewedLatestGenerator`): the client's own inserts, then the last records. */
  #latest(): () => number {
    const { records, zipfian } = this.#workload
    const choice = new Zipfian(records, zipfian)
    let known = 0
    return () => {
      for (; known < this.#inserts; known += 1) choice.grow()
      const age = choice.next(this.#random)
      return age < known ? this.#insertNumber(known - 1 - age) : records - 1 - (age - known)
    }
  }
}
