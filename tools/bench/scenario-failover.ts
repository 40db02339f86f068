/** `--scenario failover`: for how long a client that keeps trying gets no strong write through when a member fails. */

import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '../../src/client/client.js'
import type { Shard } from '../../src/generated/varve/v1/cluster.js'
import type { TopologyName } from '../../src/node/cluster-config.js'
import { unavailable } from '../exit-codes.js'
import { describeMachine, type Machine, machineLine } from '../machine.js'
import { note, tableOf } from '../output.js'
import { duration } from '../text.js'
import type { Cleanup } from './cleanup.js'
import { FailoverCluster } from './failover-cluster.js'
import { median } from './latency.js'
import type { BenchOptions } from './options.js'
import { SteadyWriter } from './steady-writer.js'

/** `stop` is SIGSTOP: silent, with all connections open, as behind a partition. */
export type FailureKind = 'kill' | 'stop'
export type FailureRole = 'head' | 'middle' | 'tail' | 'leaf'

/** One member that failed. */
export interface Failover {
  readonly topology: TopologyName
  readonly kind: FailureKind
  readonly role: FailureRole
  /** From the signal to the acknowledgement of the first strong write that was issued after it. */
  readonly awayMs: number
  /** From the new start (or SIGCONT), with an invitation to join, until the shard had all of its members again. */
  readonly backMs: number
}

export interface FailoverReport {
  readonly machine: Machine
  readonly failovers: readonly Failover[]
}

/** What is to be reached, milliseconds. */
export const FAILOVER_TARGETS = {
  kill: { p50: 500, worst: 1_500 },
  stop: { p50: 2_500, worst: 2_500 },
} as const

/** Longer than any failover may take; without one the benchmark gives up. */
const AWAY_MS_MAX = 30_000
/** Undisturbed writes before a member fails, and a pause of any length so that no heartbeat is always at the same point. */
const WRITES_BEFORE = 20
const PAUSE_MS_MAX = 200

interface Failure {
  readonly kind: FailureKind
  readonly role: FailureRole
}

const FAILURES: Readonly<Record<TopologyName, readonly Failure[]>> = {
  chain: [
    ...(['head', 'middle', 'tail'] as const).map(role => ({ kind: 'kill' as const, role })),
    { kind: 'stop', role: 'head' },
  ],
  star: [
    ...(['head', 'leaf'] as const).map(role => ({ kind: 'kill' as const, role })),
    { kind: 'stop', role: 'head' },
  ],
}

/** Makes members of each role fail in turn, in every round once. */
export async function runFailover(options: BenchOptions, cleanup: Cleanup): Promise<FailoverReport> {
  const failovers: Failover[] = []
  for (const topology of options.topologies) {
    note(`${topology}: ${options.rounds} rounds`)
    const cluster = await FailoverCluster.start({ cleanup, topology, replicas: options.replicas })
    try {
      failovers.push(...(await failInTurn(cluster, topology, options)))
    } finally {
      await cluster.stop()
    }
  }
  return { machine: describeMachine(cleanup.folder), failovers }
}

async function failInTurn(
  cluster: FailoverCluster,
  topology: TopologyName,
  { rounds, replicas }: BenchOptions,
): Promise<Failover[]> {
  const client = await connect(cluster.endpoints, { consistency: 'strong', timeoutMs: AWAY_MS_MAX })
  const writer = new SteadyWriter(client)
  const failovers: Failover[] = []
  const failures = FAILURES[topology].filter(({ role }) => hasRole(role, replicas))
  try {
    for (let round = 0; round < rounds; round++) {
      for (const failure of failures) {
        const failover = { topology, ...(await failOnce(cluster, writer, failure)) }
        note(`${topology} ${failure.kind} ${failure.role}: away for ${duration(failover.awayMs)}`)
        failovers.push(failover)
      }
    }
    await writer.stop()
    await checkLastWrite(writer, await client.get(writer.key))
  } finally {
    await client.close()
  }
  return failovers
}

async function failOnce(
  cluster: FailoverCluster,
  writer: SteadyWriter,
  { kind, role }: Failure,
): Promise<Omit<Failover, 'topology'>> {
  const address = memberOf(await cluster.whole(), role)
  await writer.acknowledged(WRITES_BEFORE)
  await delay(Math.random() * PAUSE_MS_MAX)
  const begun = performance.now()
  cluster.signal(address, kind === 'kill' ? 'SIGKILL' : 'SIGSTOP')
  const awayMs = (await writer.nextIssuedAfter(begun)) - begun
  if (kind === 'kill') await cluster.gone(address)
  const back = performance.now()
  if (kind === 'kill') cluster.start(address)
  else cluster.signal(address, 'SIGCONT')
  await cluster.whole(address)
  return { kind, role, awayMs, backMs: performance.now() - back }
}

function hasRole(role: FailureRole, replicas: number): boolean {
  return role === 'head' || replicas >= (role === 'middle' ? 3 : 2)
}

/** The member of that role; of several middles or leaves any. */
function memberOf({ head, members }: Shard, role: FailureRole): string {
  const followers = members.filter(({ address }) => address !== head).map(({ address }) => address)
  if (role === 'head') return head
  if (role === 'tail') return followers.at(-1)!
  const among = role === 'middle' ? followers.slice(0, -1) : followers
  return among[Math.floor(Math.random() * among.length)]!
}

async function checkLastWrite(
  { lastAcknowledged, key }: SteadyWriter,
  value: string | undefined,
): Promise<void> {
  if (Number(value) >= lastAcknowledged) return
  throw unavailable(
    `${key} holds ${value} in the end, but ${lastAcknowledged} was acknowledged: a write was lost`,
  )
}

/** As text. */
export async function failoverText({ machine, failovers }: FailoverReport): Promise<string> {
  const header = ['shape', 'failure', 'role', 'rounds', 'p50', 'worst', 'target', 'back after (p50)']
  const groups = new Map<string, Failover[]>()
  for (const failover of failovers) {
    const name = `${failover.topology} ${failover.kind} ${failover.role}`
    groups.set(name, [...(groups.get(name) ?? []), failover])
  }
  const lines = [...groups.values()].map(lineOf)
  const what =
    'from the signal to the first acknowledged strong write that was issued after it; one client, one write at a time'
  const right = ['rounds', 'p50', 'worst', 'back after (p50)']
  return `${machineLine(machine)}\n${what}\n\n${await tableOf(header, lines, right)}\n`
}

function lineOf(group: readonly Failover[]): string[] {
  const { topology, kind, role } = group[0]!
  const away = group.map(({ awayMs }) => awayMs)
  const [p50, worst] = [median(away), Math.max(...away)]
  const target = FAILOVER_TARGETS[kind]
  const isMet = p50 < target.p50 && worst < target.worst
  const wanted =
    target.p50 === target.worst
      ? `all < ${duration(target.worst)}`
      : `p50 < ${duration(target.p50)}, worst < ${duration(target.worst)}`
  return [
    ...[topology, kind, role, String(group.length), duration(p50), duration(worst)],
    `${wanted}: ${isMet ? 'met' : 'missed'}`,
    duration(median(group.map(({ backMs }) => backMs))),
  ]
}
