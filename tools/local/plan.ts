/** Which configuration `varve up` runs: a folder's own, or a new one made of flags and files. */

import { readFileSync } from 'node:fs'
import {
  type ClusterConfig,
  ClusterConfigError,
  type ConsistencyName,
  checkClusterConfig,
  makeLocalConfig,
  nodesOf,
  parseClusterConfig,
  type TopologyName,
} from '../../src/node/cluster-config.js'
import { badUsage } from '../exit-codes.js'
import type { DataFolder } from './data-folder.js'

/** What was asked for; undefined where nothing was said. */
export interface ShapeFlags {
  readonly config?: string
  readonly shards?: number
  readonly replicas?: number
  readonly nodes?: number
  readonly topology?: TopologyName
  readonly consistency?: ConsistencyName
  readonly minInSync?: number
  readonly basePort?: number
}

const DEFAULT_SHARDS = 3
const DEFAULT_REPLICAS = 3
/** Where the coordinator listens unless told otherwise. */
export const DEFAULT_BASE_PORT = 5_000

/** Flags that `--config` leaves no room for, as typed. */
const SHAPE_FLAGS = {
  shards: '--shards',
  replicas: '--replicas',
  nodes: '--nodes',
  basePort: '--base-port',
} as const

/**
 * The configuration to run. A folder that has one keeps it: flags may repeat it, but not differ from it.
 * Reads files, writes nothing. Throws bad-usage errors that name the field.
 */
export function planCluster(folder: DataFolder, flags: ShapeFlags): ClusterConfig {
  if (flags.config !== undefined) {
    for (const [name, flag] of Object.entries(SHAPE_FLAGS)) {
      if (flags[name as keyof typeof SHAPE_FLAGS] === undefined) continue
      throw badUsage(
        `${flag} given together with --config: the file ${flags.config} names shards and addresses itself`,
      )
    }
  }
  if (!folder.isCluster) return newConfig(flags)
  const stored = parseClusterConfig(readConfigFile(folder.configFile), folder.configFile)
  const differs =
    flags.config === undefined ? flagDifference(stored, flags) : fileDifference(stored, newConfig(flags))
  if (differs === undefined) return stored
  const remedy =
    'leave it out to start that cluster as it is, or give another folder with --data for a new one'
  throw badUsage(
    `${differs.field}: ${differs.given} given, but the cluster in ${folder.given} has ${differs.has}: ${remedy}`,
  )
}

interface Difference {
  readonly field: string
  readonly given: string
  readonly has: string
}

function newConfig(flags: ShapeFlags): ClusterConfig {
  const { topology, consistency, minInSync } = flags
  const said = {
    ...(topology === undefined ? {} : { topology }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(minInSync === undefined ? {} : { minInSync }),
  }
  if (flags.config !== undefined) {
    const config = { ...parseClusterConfig(readConfigFile(flags.config, '--config '), flags.config), ...said }
    checkClusterConfig(config, flags.config)
    return config
  }
  try {
    return makeLocalConfig({
      shards: flags.shards ?? DEFAULT_SHARDS,
      replicas: flags.replicas ?? Math.min(DEFAULT_REPLICAS, flags.nodes ?? DEFAULT_REPLICAS),
      ...(flags.nodes === undefined ? {} : { nodes: flags.nodes }),
      basePort: flags.basePort ?? DEFAULT_BASE_PORT,
      ...said,
    })
  } catch (error) {
    if (!(error instanceof ClusterConfigError)) throw error
    // A person typed flags, not a file's fields.
    const flag = error.field.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
    throw badUsage(error.message.replace(`cluster: ${error.field}`, `--${flag}`))
  }
}

/** What the flags say that the stored configuration does not. */
function flagDifference(stored: ClusterConfig, flags: ShapeFlags): Difference | undefined {
  const shards = Object.values(stored.shards)
  const actual: Record<string, string | number> = {
    shards: shards.length,
    replicas: [...new Set(shards.map(addresses => addresses.length))].join(' and '),
    // As many as it was made with; those that were started since are not a matter of its shape.
    nodes: nodesOf({ ...stored, nodes: [] }).length,
    topology: stored.topology,
    consistency: stored.consistency,
    minInSync: stored.minInSync ?? 'the default',
    basePort: stored.coordinator.slice(stored.coordinator.lastIndexOf(':') + 1),
  }
  const names: Record<string, string> = { ...SHAPE_FLAGS, minInSync: '--min-in-sync' }
  for (const [name, has] of Object.entries(actual)) {
    const given = flags[name as keyof ShapeFlags]
    if (given === undefined || String(given) === String(has)) continue
    return { field: names[name] ?? `--${name}`, given: String(given), has: String(has) }
  }
  return undefined
}

/** The first field in which two configurations differ. */
function fileDifference(stored: ClusterConfig, given: ClusterConfig): Difference | undefined {
  const differ = (field: string, a: unknown, b: unknown): Difference | undefined =>
    a === b ? undefined : { field, given: show(a), has: show(b) }
  const plain = (['coordinator', 'consistency', 'topology', 'minInSync'] as const)
    .map(field => differ(field, given[field], stored[field]))
    .find(found => found !== undefined)
  if (plain !== undefined) return plain
  const names = differ('shards', Object.keys(given.shards).join(', '), Object.keys(stored.shards).join(', '))
  if (names !== undefined) return names
  for (const [name, addresses] of Object.entries(given.shards)) {
    const others = stored.shards[name]!
    for (let i = 0; i < Math.max(addresses.length, others.length); i++) {
      const found = differ(`shards.${name}[${i}]`, addresses[i], others[i])
      if (found !== undefined) return found
    }
  }
  // Nodes that were started since the file was written are in the stored list alone.
  const known = nodesOf(stored)
  const missing = given.nodes?.find(address => !known.includes(address))
  return missing === undefined ? undefined : { field: 'nodes', given: missing, has: known.join(', ') }
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : String(value)
}

function readConfigFile(file: string, option = ''): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const problem = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw badUsage(`${option}${file}: ${problem}: expected a cluster configuration in JSON`)
  }
}
