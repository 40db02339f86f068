/** Which cluster a run starts, and whether this machine can: before anything is started. */

import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { fileURLToPath } from 'node:url'
import {
  type ClusterConfig,
  ClusterConfigError,
  checkClusterConfig,
  makeLocalConfig,
  nodesOf,
  parseClusterConfig,
} from '../../../src/node/cluster-config.js'
import { badUsage, unavailable } from '../../exit-codes.js'
import { freePorts } from '../../local/free-ports.js'
import { checkAddressesFree } from '../../local/ports.js'
import { byteSize } from '../../text.js'
import { RunningCluster } from '../cluster/running-cluster.js'
import type { Description } from './description.js'
import { checkTimeline, type TimelineShape } from './timeline-check.js'
import type { Experiment } from './variants.js'

/** What a node process takes at the most, as measured with 80 of them (docs/experiments.md). */
const PROCESS_BYTES = 100 * 1_048_576

const DEFAULT_SHARDS = 1
const DEFAULT_REPLICAS = 3

/** A configuration whose path begins so is one that comes with the package. */
const PACKAGED = 'configs/'

/**
 * The configuration of a cluster of a run's own, with the run's consistency as default. One that names no file gets ports
 * that are free now. Throws bad-usage errors that name the field.
 */
async function planOwnCluster(
  { cluster, consistency }: Description,
  where: string,
  basePort?: number,
): Promise<ClusterConfig> {
  const mode = consistency === 'mixed' ? 'strong' : consistency
  const { config: file, topology, minInSync } = cluster
  const said = {
    ...(topology === undefined ? {} : { topology }),
    ...(minInSync === undefined ? {} : { minInSync }),
    consistency: mode,
  } as const
  if (file !== undefined) {
    const extra = (['shards', 'replicas', 'nodes'] as const).find(field => cluster[field] !== undefined)
    if (extra !== undefined) {
      throw badUsage(
        `${where}: cluster.${extra}: given together with cluster.config, which names the addresses itself`,
      )
    }
    const config = { ...readConfig(file, where), ...said }
    checkClusterConfig(config, file)
    return basePort === undefined ? config : onPorts(config, basePort)
  }
  const replicas = cluster.replicas ?? DEFAULT_REPLICAS
  const shards = cluster.shards ?? DEFAULT_SHARDS
  const nodes = cluster.nodes ?? replicas
  const shape = { shards, replicas, nodes, basePort: basePort ?? (await freePorts(nodes + 1)), ...said }
  try {
    return makeLocalConfig(shape)
  } catch (error) {
    if (!(error instanceof ClusterConfigError)) throw error
    throw badUsage(`${where}: ${error.message.replace(/^cluster: /, 'cluster.')}`)
  }
}

/**
 * The clusters of an experiment, by variant, with timelines that can happen to them. A variant on a cluster that runs
 * already has none. Throws bad-usage errors that name the field.
 */
export async function planClusters(
  { name, variants }: Experiment,
  where: string,
  basePort?: number,
): Promise<Map<string, ClusterConfig>> {
  const configs = new Map<string, ClusterConfig>()
  for (const { name: variant, description } of variants) {
    const place = variant === name ? where : `${where}: ${variant}`
    const { endpoints } = description.cluster
    if (endpoints !== undefined) {
      checkRunning(description, place)
      const running = await RunningCluster.at(endpoints)
      checkFaults(description, running, place)
      await running.close()
      continue
    }
    const config = await planOwnCluster(description, place, basePort)
    checkFaults(description, { ...config, nodes: nodesOf(config) }, place)
    configs.set(variant, config)
  }
  return configs
}

function checkFaults(
  { faults, workload, cluster }: Description,
  { topology, coordinator, nodes, shards }: Omit<TimelineShape, 'restarts' | 'loadMs'>,
  where: string,
): void {
  const { durationMs, ramp } = workload
  const loadMs = durationMs ?? ramp?.reduce((sum, { forMs }) => sum + forMs, 0)
  checkTimeline(faults, { topology, coordinator, nodes, shards, restarts: cluster.restart, loadMs }, where)
}

function checkRunning({ cluster }: Description, where: string): void {
  const extra = Object.entries(cluster).find(
    ([field, value]) => field !== 'endpoints' && field !== 'restart' && value !== undefined,
  )
  if (extra === undefined) return
  throw badUsage(
    `${where}: cluster.${extra[0]}: given together with cluster.endpoints, whose cluster runs as it is`,
  )
}

/** Refuses what this machine cannot hold (`free` bytes) or listen at. Exit code 3: another time it may. */
export async function checkMachine(
  configs: readonly ClusterConfig[],
  free = availableBytes(),
): Promise<void> {
  if (configs.length === 0) return
  const largest = Math.max(...configs.map(config => nodesOf(config).length + 1))
  const needed = largest * PROCESS_BYTES
  if (needed > free) {
    throw unavailable(
      `${largest} processes need about ${byteSize(needed)} of memory, ${byteSize(free)} are free: ` +
        'give the cluster fewer replicas, or end what else runs',
    )
  }
  for (const config of configs) {
    await checkAddressesFree([config.coordinator, ...nodesOf(config)], 'choose other ports with --base-port')
  }
}

/** What programs can still get without swapping: on Linux caches count as free. */
function availableBytes(): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
    if (kilobytes !== undefined) return Number(kilobytes) * 1_024
  } catch {
    // Not Linux.
  }
  return freemem()
}

function readConfig(file: string, where: string): ClusterConfig {
  const text = readTextOf(file) ?? (file.startsWith(PACKAGED) ? readTextOf(packaged(file)) : undefined)
  if (text === undefined)
    throw badUsage(`${where}: cluster.config: ${file} cannot be read: expected a configuration file`)
  return parseClusterConfig(text, file)
}

/** `configs` of this package, beside `tools` in a checkout and beside `dist` in a package. */
function packaged(file: string): string {
  const root = import.meta.url.endsWith('.ts') ? '../../../' : '../../../../'
  return fileURLToPath(new URL(`${root}${file}`, import.meta.url))
}

function readTextOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** The same cluster with its addresses on ports in a row, in the order in which it names them. */
function onPorts(config: ClusterConfig, basePort: number): ClusterConfig {
  const addresses = [config.coordinator, ...nodesOf(config)]
  const moved = new Map(addresses.map((address, at) => [address, `127.0.0.1:${basePort + at}`]))
  const move = (address: string) => moved.get(address)!
  return {
    ...config,
    coordinator: move(config.coordinator),
    shards: Object.fromEntries(
      Object.entries(config.shards).map(([name, replicas]) => [name, replicas.map(move)]),
    ),
    ...(config.nodes === undefined ? {} : { nodes: config.nodes.map(move) }),
  }
}
