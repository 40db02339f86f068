/** `--vs`: other systems beside, under the same load. They are never needed. */

import { unavailable } from '../../exit-codes.js'
import { mainBeside, WorkerProcess } from '../../worker/worker-process.js'
import type { Cleanup } from '../cleanup.js'
import type { LoadRequest } from '../load-protocol.js'
import type { BenchOptions, Rival } from '../options.js'
import type { Row } from '../rows.js'
import type { ProcessUsage, Subject } from '../subject.js'
import { FILL_OUTSTANDING } from '../varve-subject.js'
import type { RivalServers } from './redis.js'
import { findOnPath } from './server-process.js'

const PROGRAMS: Readonly<Record<Rival, string>> = { etcd: 'etcd', redis: 'redis-server' }

/**
 * The rows of those that were asked for and are there. For each that is not, a line goes to `notes`. etcd is
 * measured as what it is, strong; Redis as what it is, weak: its replicas follow after the answer.
 */
export function rivalRows(options: BenchOptions, notes: string[]): Row[] {
  return options.rivals.flatMap(system => {
    if (findOnPath(PROGRAMS[system]) === undefined) {
      notes.push(`${system} was not measured: no ${PROGRAMS[system]} on the PATH`)
      return []
    }
    const level = system === 'etcd' ? 'strong' : 'weak'
    return options.operations.flatMap(operation =>
      options.outstanding.map(
        (outstanding): Row => ({ system, operation, level, topology: '', outstanding }),
      ),
    )
  })
}

/** Starts a system with its load generator, and writes all keys. */
export async function startRival(system: Rival, options: BenchOptions, cleanup: Cleanup): Promise<Subject> {
  const file = findOnPath(PROGRAMS[system])
  if (file === undefined) throw unavailable(`no ${PROGRAMS[system]} on the PATH`)
  const { servers, endpoints } =
    system === 'etcd'
      ? await (await import('./etcd.js')).startEtcd(file, options, cleanup)
      : await (await import('./redis.js')).startRedis(file, options, cleanup)
  const load = new WorkerProcess(
    mainBeside(import.meta.url, '../load-main'),
    `the load generator of ${system}`,
    cleanup,
  )
  const subject = new RivalSubject({ servers, endpoints }, load)
  const { keys, valueSizeBytes } = options
  try {
    await subject.ask({ kind: 'prepare', keys, valueSizeBytes })
    await subject.ask({ kind: 'connect', system, endpoints })
    await subject.ask({ kind: 'fill', keys, outstanding: FILL_OUTSTANDING })
    return subject
  } catch (error) {
    await subject.stop()
    throw error
  }
}

class RivalSubject implements Subject {
  readonly load: WorkerProcess
  readonly failed: Promise<never>
  readonly #servers: RivalServers['servers']

  constructor({ servers }: RivalServers, load: WorkerProcess) {
    this.#servers = servers
    this.load = load
    this.failed = Promise.race(servers.map(server => server.failed))
    this.failed.catch(() => {})
  }

  ask(request: LoadRequest): Promise<unknown> {
    return Promise.race([this.failed, this.load.ask(request)])
  }

  async usage(): Promise<ProcessUsage[]> {
    return this.#servers.map(server => server.usage())
  }

  async settle(): Promise<void> {}

  async stop(): Promise<void> {
    await this.load.stop()
    await Promise.all(this.#servers.map(server => server.stop()))
  }
}
