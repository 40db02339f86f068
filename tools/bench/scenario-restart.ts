/** `--scenario restart`: how long a cluster that holds much is away when all of it is killed at once. */

import type { TopologyName } from '../../src/node/cluster-config.js'
import { unavailable } from '../exit-codes.js'
import { describeMachine, type Machine, machineLine } from '../machine.js'
import { note, tableOf } from '../output.js'
import { count, duration } from '../text.js'
import type { Cleanup } from './cleanup.js'
import { median } from './latency.js'
import type { BenchOptions } from './options.js'
import { VarveSubject } from './varve-subject.js'

/** One kill and restart. Times from the moment when the first process was started again, milliseconds. */
export interface Restart {
  readonly topology: TopologyName
  /** All processes listen and every shard has an active configuration. */
  readonly servingMs: number
  /** A new client has connected and its first strong reads are answered. */
  readonly answeringMs: number
  /** Strong reads of keys spread over all, whose value was not the one written. */
  readonly wrong: number
}

export interface RestartReport {
  readonly machine: Machine
  readonly entries: number
  readonly restarts: readonly Restart[]
}

const SAMPLES_FIRST = 1
const SAMPLES = 2_000

/** Fills a cluster of each shape, then kills and restarts it in every round. */
export async function runRestart(options: BenchOptions, cleanup: Cleanup): Promise<RestartReport> {
  const restarts: Restart[] = []
  for (const topology of options.topologies) {
    const { keys, valueSizeBytes, shards, replicas } = options
    const shape = { keys, valueSizeBytes }
    note(`${topology}: writing ${count(keys)} entries`)
    const subject = await VarveSubject.start({ cleanup, name: topology, topology, shards, replicas }, shape)
    try {
      await subject.fill(keys)
      for (let round = 0; round < options.rounds; round++) {
        const restart = await restartOnce(subject, shape)
        note(`${topology}: serving again after ${duration(restart.servingMs)}`)
        restarts.push({ topology, ...restart })
      }
    } finally {
      await subject.stop()
    }
  }
  const wrong = restarts.reduce((sum, restart) => sum + restart.wrong, 0)
  if (wrong > 0) throw unavailable(`${wrong} of the keys that were read after a restart had lost their value`)
  return { machine: describeMachine(cleanup.folder), entries: options.keys, restarts }
}

async function restartOnce(
  subject: VarveSubject,
  shape: { keys: number; valueSizeBytes: number },
): Promise<Omit<Restart, 'topology'>> {
  const { cluster } = subject
  await cluster.kill()
  // The client is started before the clock: it is not what is being measured.
  await subject.renewLoad(shape)
  const begun = performance.now()
  await cluster.restart()
  const servingMs = performance.now() - begun
  await subject.connect()
  const check = (samples: number) => subject.load.ask<number>({ kind: 'check', keys: shape.keys, samples })
  const first = await check(SAMPLES_FIRST)
  const answeringMs = performance.now() - begun
  return { servingMs, answeringMs, wrong: first + (await check(SAMPLES)) }
}

/** As text. */
export async function restartText({ machine, entries, restarts }: RestartReport): Promise<string> {
  const topologies = [...new Set(restarts.map(({ topology }) => topology))]
  const lines = topologies.map(topology => {
    const own = restarts.filter(restart => restart.topology === topology)
    const of = (pick: (restart: Restart) => number) => duration(median(own.map(pick)))
    return [topology, String(own.length), of(each => each.servingMs), of(each => each.answeringMs)]
  })
  const header = ['shape', 'restarts', 'all shards serve', 'first strong read answered']
  const right = ['restarts', 'all shards serve', 'first strong read answered']
  const table = await tableOf(header, lines, right)
  const what = `all processes killed (kill -9) holding ${count(entries)} entries, then started again; medians`
  return `${machineLine(machine)}\n${what}\n\n${table}\n`
}
