/** One chaos run: start, load, faults, heal, wait, read everything, judge. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '../../src/client/client.js'
import { Inspector } from '../../src/client/inspector.js'
import type { HistoryOperation, LoggedEntry } from '../../tools/history/history-event.js'
import { machineNowMs, RecordingClient } from '../../tools/history/recording-client.js'
import { logDifference, readOrphans, readReplicaLog } from '../../tools/history/replica-log.js'
import type { Verdict } from '../../tools/history/verdict.js'
import { ChaosCluster } from './chaos-cluster.js'
import type { ChaosProcess } from './chaos-process.js'
import { type Evidence, saveEvidence } from './evidence.js'
import { judge } from './judge.js'
import { Load } from './load.js'
import type { ChaosOptions } from './options.js'
import { converged } from './replicas.js'
import { Schedule } from './schedule.js'
import { ALL_KEYS } from './workload.js'

/** Load goes on for so long after the last fault has healed: what comes back meets requests. */
const AFTERGLOW_MS = 2_000
/** How long a healed cluster may take until all of its replicas are equal. */
const CONVERGE_MS = 60_000
/** How long a node may take to send the next part of a log. */
const READ_TIMEOUT_MS = 30_000

export interface RunResult {
  readonly verdicts: readonly Verdict[]
  readonly historyFile: string
}

/** Runs and judges. Rejects where the cluster could not be started or read; ends every process it started. */
export async function runChaos(
  options: ChaosOptions,
  dir: string,
  say: (line: string) => void,
): Promise<RunResult> {
  mkdirSync(dir, { recursive: true })
  const run = new ChaosRun(options, dir, say)
  return await run.run()
}

class ChaosRun {
  readonly #options: ChaosOptions
  readonly #dir: string
  readonly #say: (line: string) => void
  readonly #inspector = new Inspector({ timeoutMs: READ_TIMEOUT_MS })
  readonly #notices: string[] = []
  readonly #damaged: { address: string; atMs: number }[] = []
  /** Read from nodes before their files were damaged. */
  readonly #savedOrphans: LoggedEntry[] = []

  constructor(options: ChaosOptions, dir: string, say: (line: string) => void) {
    this.#options = options
    this.#dir = dir
    const begun = performance.now()
    this.#say = line => {
      const at = ((performance.now() - begun) / 1_000).toFixed(1).padStart(6)
      appendFileSync(join(dir, 'run.log'), `${at} ${line}\n`)
      say(`${at} ${line}`)
    }
  }

  async run(): Promise<RunResult> {
    const { seed, topology, nodes, shards } = this.#options
    this.#say(`seed ${seed}, ${nodes} nodes, ${shards} shards, ${topology}; in ${this.#dir}`)
    const cluster = await ChaosCluster.start(this.#options, this.#dir)
    let load: Load | undefined
    try {
      if (cluster.noSmallDisk !== undefined) this.#notice(`no full disks: ${cluster.noSmallDisk}`)
      load = await Load.start(cluster.endpoints, this.#options, this.#dir)
      const schedule = await this.#makeFaults(cluster)
      const operations = await load.stop()
      const evidence = await this.#gather(cluster, schedule, operations)
      const historyFile = saveEvidence(this.#dir, evidence)
      return { verdicts: judge(evidence), historyFile }
    } finally {
      await load?.kill()
      this.#inspector.close()
      await cluster.destroy()
    }
  }

  #notice(line: string): void {
    this.#notices.push(line)
    this.#say(`NOTICE: ${line}`)
  }

  async #makeFaults(cluster: ChaosCluster): Promise<Schedule> {
    const faults = this.#options.faults.filter(each => each !== 'disk' || cluster.smallDisk !== undefined)
    const { seed, durationMs } = this.#options
    const beforeDamage = async (node: ChaosProcess) => {
      for (const shard of Object.keys(cluster.config.shards)) {
        this.#savedOrphans.push(...(await readOrphans(this.#inspector, node.address, shard)))
      }
      this.#damaged.push({ address: node.address, atMs: machineNowMs() })
    }
    const schedule = new Schedule({ cluster, beforeDamage, faults, seed, durationMs, say: this.#say })
    if (faults.length > 0) await schedule.run()
    cluster.heal()
    this.#say('healed')
    await delay(AFTERGLOW_MS)
    return schedule
  }

  async #gather(
    cluster: ChaosCluster,
    schedule: Schedule,
    operations: HistoryOperation[],
  ): Promise<Evidence> {
    const healedAt = performance.now()
    let convergedMs: number | undefined
    let notConverged: string | undefined
    try {
      await converged(cluster, CONVERGE_MS)
      convergedMs = performance.now() - healedAt
      operations.push(...(await lastReads(cluster)))
      await converged(cluster, CONVERGE_MS)
    } catch (error) {
      notConverged = (error as Error).message
    }
    const { seed, topology, nodes, shards, faults } = this.#options
    const read = await this.#readReplicas(cluster)
    return {
      operations,
      log: read.log,
      orphans: [...this.#savedOrphans, ...read.orphans],
      facts: {
        about: { seed, topology, nodes, shards, faults },
        faults: schedule.made,
        replicas: read.replicas,
        differences: read.differences,
        convergedMs,
        notConverged,
        unexpectedEnds: cluster.unexpectedEnds.map(
          ({ name, code, signal, lastLine }) => `${name} ended with ${code ?? signal}: ${lastLine}`,
        ),
        heads: read.heads,
        damaged: this.#damaged,
        relayedBytes: cluster.network.passedBytes,
        notices: this.#notices,
      },
    }
  }

  /** Reads what can be read: a node that does not answer is a difference, and no reason to throw the rest away. */
  async #readReplicas(cluster: ChaosCluster) {
    const log: LoggedEntry[] = []
    const orphans: LoggedEntry[] = []
    const differences: string[] = []
    const heads: Record<string, string> = {}
    let replicas = 0
    for (const [shard, addresses] of Object.entries(await membersOf(cluster))) {
      let first: { entries: LoggedEntry[]; node: string } | undefined
      for (const address of addresses) {
        const node = cluster.nameOf(address)
        try {
          const read = await readReplicaLog(this.#inspector, address, shard)
          replicas += 1
          Object.assign(heads, read.heads)
          const difference = first === undefined ? undefined : logDifference(first.entries, read.entries)
          if (difference !== undefined)
            differences.push(`${shard}, ${first!.node} and ${node}: ${difference}`)
          first ??= { entries: read.entries, node }
        } catch (error) {
          differences.push(`${shard}: the log of ${node} cannot be read: ${(error as Error).message}`)
        }
      }
      log.push(...(first?.entries ?? []))
      for (const { address, name } of cluster.nodes) {
        try {
          orphans.push(...(await readOrphans(this.#inspector, address, shard)))
        } catch (error) {
          differences.push(`${shard}: the orphans on ${name} cannot be read: ${(error as Error).message}`)
        }
      }
    }
    return { log, orphans, differences, heads, replicas }
  }
}

/** Addresses of each shard's members; where the coordinator does not say, those that the configuration lists. */
async function membersOf(cluster: ChaosCluster): Promise<Record<string, readonly string[]>> {
  try {
    const { shards } = await cluster.map()
    return Object.fromEntries(
      shards.map(({ name, members }) => [name, members.map(({ address }) => address)]),
    )
  } catch {
    return cluster.config.shards
  }
}

/** A strong read of every key: what was lost at the end would show nowhere else. */
async function lastReads(cluster: ChaosCluster): Promise<HistoryOperation[]> {
  const operations: HistoryOperation[] = []
  const sink = { write: (operation: HistoryOperation) => void operations.push(operation) }
  const client = await connect(cluster.endpoints, { consistency: 'strong', timeoutMs: 20_000 })
  try {
    const recorded = new RecordingClient(client, { name: 'last', sink, consistency: 'strong' })
    for (const key of ALL_KEYS) await recorded.getEntry(key)
  } finally {
    await client.close()
  }
  return operations
}
