/** A Varve cluster with its load generator. */

import { mainBeside, WorkerProcess } from '../worker/worker-process.js'
import type { LoadRequest } from './load-protocol.js'
import { profileArguments } from './node-arguments.js'
import type { ProcessUsage, Subject } from './subject.js'
import { type ClusterOptions, VarveCluster } from './varve-cluster.js'

/** What the load generator is to know. */
export interface LoadShape {
  readonly keys: number
  readonly valueSizeBytes: number
}

/** Outstanding operations while all keys are written for the first time. */
export const FILL_OUTSTANDING = 2_048

export class VarveSubject implements Subject {
  readonly cluster: VarveCluster
  readonly #options: ClusterOptions
  #load: WorkerProcess

  /** Starts cluster and load generator and connects them. The keys are not written yet. */
  static async start(options: ClusterOptions, shape: LoadShape): Promise<VarveSubject> {
    const subject = new VarveSubject(options, await VarveCluster.start(options))
    try {
      await subject.#prepare(shape)
      await subject.connect()
      return subject
    } catch (error) {
      await subject.stop()
      throw error
    }
  }

  private constructor(options: ClusterOptions, cluster: VarveCluster) {
    this.#options = options
    this.cluster = cluster
    this.#load = this.#newLoad()
  }

  get load(): WorkerProcess {
    return this.#load
  }

  get failed(): Promise<never> {
    return this.cluster.failed
  }

  /** Connects a new load generator. */
  async connect(): Promise<void> {
    const { endpoints } = this.cluster
    await this.#ask({ kind: 'connect', system: 'varve', endpoints })
  }

  /** Writes all keys once and waits until every replica has them. */
  async fill(keys: number): Promise<void> {
    await this.#ask({ kind: 'fill', keys, outstanding: FILL_OUTSTANDING })
    await this.settle()
  }

  usage(): Promise<ProcessUsage[]> {
    return this.cluster.usage()
  }

  settle(): Promise<void> {
    return Promise.race([this.failed, this.cluster.settle()])
  }

  /** A new load generator in place of the old one, not connected yet. */
  async renewLoad(shape: LoadShape): Promise<void> {
    await this.#load.stop()
    this.#load = this.#newLoad()
    await this.#prepare(shape)
  }

  async stop(): Promise<void> {
    await this.#load.stop()
    await this.cluster.stop()
  }

  #newLoad(): WorkerProcess {
    const { name, profile, cleanup } = this.#options
    const what = `the load generator of ${name}`
    const main = mainBeside(import.meta.url, 'load-main')
    return new WorkerProcess(main, what, cleanup, profileArguments(profile, `${name}-client`))
  }

  async #prepare(shape: LoadShape): Promise<void> {
    await this.#ask({ kind: 'prepare', ...shape })
  }

  #ask(request: LoadRequest): Promise<unknown> {
    return Promise.race([this.failed, this.#load.ask(request)])
  }
}
