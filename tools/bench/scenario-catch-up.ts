/** `--scenario catch-up`: how soon an empty node is a member of a shard that is being written to, and what that costs. */

import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '../../src/client/client.js'
import type { Shard } from '../../src/generated/varve/v1/cluster.js'
import type { TopologyName } from '../../src/node/cluster-config.js'
import { badUsage, unavailable } from '../exit-codes.js'
import { describeMachine, type Machine, machineLine } from '../machine.js'
import { note, tableOf } from '../output.js'
import { count, duration } from '../text.js'
import type { Cleanup } from './cleanup.js'
import { FailoverCluster } from './failover-cluster.js'
import { median } from './latency.js'
import type { BenchOptions } from './options.js'
import { type LoadMark, lowestRate, rateBetween, SteadyLoad } from './steady-load.js'

/** One node that caught up. */
export interface CatchUp {
  readonly topology: TopologyName
  readonly outstanding: number
  /** In the log when the empty node was started. */
  readonly entriesBefore: number
  /** In the log when it was a member; it has received all of them. */
  readonly entries: number
  /** From the moment when the shard map shows the node as a learner until it shows it as a member. */
  readonly catchUpMs: number
  /** From the start of its process until it is a member. */
  readonly sinceStartMs: number
  /** Acknowledged strong writes a second: before, from the start of the process until it is a member. */
  readonly writesBefore: number
  readonly writesMeanwhile: number
  /** In the worst second of that time. */
  readonly writesLowest: number
}

export interface CatchUpReport {
  readonly machine: Machine
  readonly catchUps: readonly CatchUp[]
}

/** What is to be reached. */
export const CATCH_UP_TARGETS = { catchUpMs: 10_000, ratio: 0.5 } as const

const WRITE_TIMEOUT_MS = 30_000
const POLL_MS = 100
const SLOWEST_SPAN_MS = 1_000

/** Takes the last member of a cluster of each shape away for good and brings an empty node in, a new cluster each round. */
export async function runCatchUp(options: BenchOptions, cleanup: Cleanup): Promise<CatchUpReport> {
  if (options.replicas < 2) throw badUsage('--replicas: a node catches up with others: expected at least 2')
  const catchUps: CatchUp[] = []
  for (const topology of options.topologies) {
    for (const outstanding of options.outstanding) {
      for (let round = 0; round < options.rounds; round++) {
        const catchUp = await catchUpOnce(options, cleanup, { topology, outstanding, round })
        note(progressLine(catchUp))
        catchUps.push(catchUp)
      }
    }
  }
  return { machine: describeMachine(cleanup.folder), catchUps }
}

interface Round {
  readonly topology: TopologyName
  readonly outstanding: number
  readonly round: number
}

async function catchUpOnce(options: BenchOptions, cleanup: Cleanup, which: Round): Promise<CatchUp> {
  const { topology, outstanding, round } = which
  const { replicas, keys, valueSizeBytes, profile } = options
  const name = `${topology}-${outstanding}-${round}`
  const cluster = await FailoverCluster.start({ cleanup, topology, replicas, name, profile, pollMs: POLL_MS })
  try {
    const address = (await cluster.whole()).members.at(-1)!.address
    cluster.signal(address, 'SIGKILL')
    await cluster.gone(address)
    cluster.forgetData(address)
    const isShort = ({ status, members }: Shard) => status === 'ACTIVE' && members.length === replicas - 1
    await cluster.until(`${replicas - 1} members`, isShort)
    const client = await connect(cluster.endpoints, {
      consistency: 'strong',
      timeoutMs: WRITE_TIMEOUT_MS,
      valueEncoding: 'buffer',
    })
    const load = new SteadyLoad(client, { outstanding, keys, valueSizeBytes })
    try {
      const measured = await Promise.race([load.failed, measure(options, cluster, load, address)])
      await load.stop()
      await cluster.alike()
      return { topology, outstanding, ...(measured as Omit<CatchUp, 'topology' | 'outstanding'>) }
    } finally {
      await load.stop().catch(() => {})
      await client.close()
    }
  } finally {
    await cluster.stop()
    rmSync(cluster.path, { recursive: true, force: true })
  }
}

async function measure(
  { entries, warmUpMs, windowMs }: BenchOptions,
  cluster: FailoverCluster,
  load: SteadyLoad,
  address: string,
): Promise<Omit<CatchUp, 'topology' | 'outstanding'>> {
  const first = load.mark()
  const isFull = (mark: LoadMark) => {
    return mark.acknowledged >= entries && mark.atMs - first.atMs >= warmUpMs + windowMs
  }
  let start = load.mark()
  while (!isFull(start)) {
    await delay(POLL_MS)
    start = load.mark()
  }
  const before = load.between({ ...start, atMs: start.atMs - windowMs }, start)
  cluster.start(address)
  await cluster.until('a learner', ({ learners }) => learners.length > 0)
  const learning = load.mark()
  await cluster.whole()
  const end = load.mark()
  if (start.acknowledged === end.acknowledged) throw unavailable('nothing was written meanwhile')
  return {
    entriesBefore: start.acknowledged,
    entries: end.acknowledged,
    catchUpMs: end.atMs - learning.atMs,
    sinceStartMs: end.atMs - start.atMs,
    writesBefore: rateBetween(before[0]!, start),
    writesMeanwhile: rateBetween(start, end),
    writesLowest: lowestRate(load.between(start, end), SLOWEST_SPAN_MS),
  }
}

function progressLine(catchUp: CatchUp): string {
  const { topology, outstanding, catchUpMs, writesBefore, writesMeanwhile, writesLowest } = catchUp
  const ratio = (writesMeanwhile / writesBefore).toFixed(2)
  return (
    `${topology} ${outstanding}: ${count(catchUp.entries)} entries in ${duration(catchUpMs)} ` +
    `(${duration(catchUp.sinceStartMs)} from its start), ${count(writesMeanwhile)} of ${count(writesBefore)} ` +
    `writes/s (${ratio}), worst second ${count(writesLowest)}`
  )
}

/** As text. */
export async function catchUpText({ machine, catchUps }: CatchUpReport): Promise<string> {
  const groups = new Map<string, CatchUp[]>()
  for (const catchUp of catchUps) {
    const name = `${catchUp.topology} ${catchUp.outstanding}`
    groups.set(name, [...(groups.get(name) ?? []), catchUp])
  }
  const header = [
    ...['shape', 'outstanding', 'rounds', 'entries', 'caught up in', 'since its start', 'entries/s'],
    ...['writes/s before', 'meanwhile', 'ratio', 'worst second', 'target'],
  ]
  const lines = [...groups.values()].map(lineOf)
  const what =
    'an empty node comes into a shard under a steady load of strong writes, until the shard map has it as a member; medians'
  const table = await tableOf(header, lines, header.slice(1, -1))
  return `${machineLine(machine)}\n${what}\n\n${table}\n`
}

function lineOf(group: readonly CatchUp[]): string[] {
  const of = (pick: (catchUp: CatchUp) => number) => median(group.map(pick))
  const { topology, outstanding } = group[0]!
  const catchUpMs = of(each => each.catchUpMs)
  const ratio = of(each => each.writesMeanwhile / each.writesBefore)
  const isMet = catchUpMs < CATCH_UP_TARGETS.catchUpMs && ratio > CATCH_UP_TARGETS.ratio
  return [
    ...[topology, count(outstanding), count(group.length), count(of(each => each.entries))],
    ...[duration(catchUpMs), duration(of(each => each.sinceStartMs))],
    count(of(each => (each.entries / each.catchUpMs) * 1_000)),
    count(of(each => each.writesBefore)),
    count(of(each => each.writesMeanwhile)),
    ratio.toFixed(2),
    of(each => each.writesLowest / each.writesBefore).toFixed(2),
    `< ${duration(CATCH_UP_TARGETS.catchUpMs)}, > ${CATCH_UP_TARGETS.ratio}: ${isMet ? 'met' : 'missed'}`,
  ]
}
