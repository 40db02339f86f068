/**
 * The configuration file of a cluster: who coordinates, which shards there are, where their replicas run.
 * A file is read as a whole or refused as a whole, with one line that says which field, what was given and
 * what is allowed.
 */

import { z } from 'zod'
import { ADDRESS_ALLOWED, splitAddress } from './address.js'
import { duplicateField } from './json-fields.js'
import { schemaProblem, showGiven, strictFields } from './schema-issue.js'

/** How replicas follow each other: one after another, or all the head. */
export type TopologyName = 'chain' | 'star'

/** What a request gets that does not say. */
export type ConsistencyName = 'weak' | 'strong'

/** A cluster as its file names it. Addresses are `host:port`. */
export interface ClusterConfig {
  readonly coordinator: string
  readonly consistency: ConsistencyName
  readonly topology: TopologyName
  /** In-sync members a shard needs for strong requests; left out: `defaultMinInSync` of each shard. */
  readonly minInSync?: number
  /**
   * Name of each shard and the addresses of its replicas, the first head first. The order of the shards
   * gives their ordinals.
   */
  readonly shards: Readonly<Record<string, readonly string[]>>
  /** Further nodes, which hold no shard at first: the coordinator brings them in where replicas are missing. */
  readonly nodes?: readonly string[]
}

/** A configuration that cannot be used. The message is one line and names the file and the field. */
export class ClusterConfigError extends Error {
  override readonly name = 'ClusterConfigError'
  /** The field, such as `shards.shard_0[2]`; empty where the file as a whole is meant. */
  readonly field: string

  constructor(file: string, field: string, message: string) {
    super(`${file}: ${field === '' ? '' : `${field}: `}${message}`)
    this.field = field
  }
}

/** Version of the file that `serializeClusterConfig` writes. A file without one is read as this. */
const FORMAT_VERSION = 1

const SHARDS_MAX = 65_535
const NAME_PATTERN = /^[A-Za-z0-9_.-]{1,64}$/

const SHARDS_ALLOWED = 'shards is an object of shard names, each with a list of addresses'
const REPLICAS_ALLOWED = 'a shard is a list of at least one address'
const NODES_ALLOWED = 'nodes is a list of addresses'

const addressSchema = z
  .string({ error: ADDRESS_ALLOWED })
  .refine(text => splitAddress(text) !== undefined, { error: ADDRESS_ALLOWED })

const configSchema = strictFields(
  {
    formatVersion: z.optional(z.number()),
    coordinator: addressSchema,
    consistency: z.enum(['weak', 'strong'], { error: 'allowed are "weak" and "strong"' }).default('strong'),
    topology: z.enum(['chain', 'star'], { error: 'allowed are "chain" and "star"' }).default('chain'),
    minInSync: z.optional(
      z
        .number({ error: 'minInSync is a whole number from 1' })
        .int({ error: 'minInSync is a whole number from 1' })
        .min(1, { error: 'minInSync is a whole number from 1' }),
    ),
    shards: z.record(
      z.string(),
      z.array(addressSchema, { error: REPLICAS_ALLOWED }).min(1, { error: REPLICAS_ALLOWED }),
      { error: SHARDS_ALLOWED },
    ),
    nodes: z.optional(z.array(addressSchema, { error: NODES_ALLOWED })),
  },
  'a configuration is an object',
  ['formatVersion'],
)

/**
 * Reads a configuration. `file` is only used to name it in messages.
 * Throws `ClusterConfigError`; reads nothing and checks no port.
 */
export function parseClusterConfig(text: string, file: string): ClusterConfig {
  const json = parseJson(text, file)
  checkFormatVersion(json, file)
  const parsed = configSchema.safeParse(json)
  if (!parsed.success) throw schemaError(file, json, parsed.error.issues[0]!)
  const { coordinator, consistency, topology, minInSync, shards, nodes } = parsed.data
  const config: ClusterConfig = {
    coordinator,
    consistency,
    topology,
    ...(minInSync === undefined ? {} : { minInSync }),
    shards,
    ...(nodes === undefined ? {} : { nodes }),
  }
  checkClusterConfig(config, file)
  return config
}

/** What the schema cannot say: rules that span several fields. Throws `ClusterConfigError`. */
export function checkClusterConfig(config: ClusterConfig, file: string): void {
  const names = Object.keys(config.shards)
  if (names.length < 1 || names.length > SHARDS_MAX) {
    throw new ClusterConfigError(
      file,
      'shards',
      `${names.length} given, allowed are 1 to ${SHARDS_MAX} shards`,
    )
  }
  for (const name of names) {
    if (!NAME_PATTERN.test(name) || name === '__proto__') {
      const allowed = 'a shard name has 1 to 64 of the characters A-Z a-z 0-9 _ . -'
      throw new ClusterConfigError(file, `shards.${name}`, `${showGiven(name)} given, ${allowed}`)
    }
    checkAddresses(config, `shards.${name}`, config.shards[name]!, file)
  }
  checkAddresses(config, 'nodes', config.nodes ?? [], file)
  const smallest = Math.min(...names.map(name => config.shards[name]!.length))
  if (config.minInSync !== undefined && config.minInSync > smallest) {
    const allowed = `allowed is 1 to ${smallest}, the replicas of the smallest shard`
    throw new ClusterConfigError(file, 'minInSync', `${config.minInSync} given, ${allowed}`)
  }
}

/** All node addresses, each once: in the order in which the shards first name them, then those that hold none. */
export function nodesOf(config: ClusterConfig): string[] {
  return [...new Set([...Object.values(config.shards).flat(), ...(config.nodes ?? [])])]
}

/** The same cluster with one more node, which holds no shard at first. Throws `ClusterConfigError`. */
export function withNode(config: ClusterConfig, address: string): ClusterConfig {
  const larger = { ...config, nodes: [...(config.nodes ?? []), address] }
  checkClusterConfig(larger, 'cluster')
  return larger
}

/** In-sync members that a shard of `replicas` replicas needs for strong requests where nothing is said. */
export function defaultMinInSync(replicas: number): number {
  return replicas >= 3 ? 2 : 1
}

/** The text of a configuration file: what `parseClusterConfig` reads back as an equal configuration. */
export function serializeClusterConfig(config: ClusterConfig): string {
  return `${JSON.stringify({ formatVersion: FORMAT_VERSION, ...config }, null, 2)}\n`
}

/** The shape of a cluster on this machine, for `makeLocalConfig`. */
export interface LocalShape {
  readonly shards: number
  readonly replicas: number
  /** Node processes; at least `replicas`. Default: as many as replicas. */
  readonly nodes?: number
  readonly topology?: TopologyName
  readonly consistency?: ConsistencyName
  readonly minInSync?: number
  /** The coordinator's port; the nodes take the ones after it. */
  readonly basePort: number
}

/**
 * A configuration for one machine: the coordinator on 127.0.0.1:basePort, the nodes on the ports after it.
 * Each shard's head goes to the node with the fewest heads, its other replicas to the nodes with the fewest
 * replicas, around the ring from the head: with as many nodes as replicas that is a rotation of the list.
 * Throws `ClusterConfigError` where the numbers do not fit together.
 */
export function makeLocalConfig(shape: LocalShape): ClusterConfig {
  const nodes = shape.nodes ?? shape.replicas
  checkLocalShape(shape, nodes)
  const addresses = Array.from({ length: nodes }, (_, i) => `127.0.0.1:${shape.basePort + 1 + i}`)
  const heads = new Array<number>(nodes).fill(0)
  const load = new Array<number>(nodes).fill(0)
  const ring = addresses.map((_, i) => i)
  const shards: Record<string, string[]> = {}
  for (let shard = 0; shard < shape.shards; shard++) {
    const head = least(ring, node => heads[node]! * (shape.shards + 1) + load[node]!)
    const chosen = [head]
    heads[head]!++
    load[head]!++
    while (chosen.length < shape.replicas) {
      const others = ring.map(step => (head + step) % nodes).filter(node => !chosen.includes(node))
      const next = least(others, node => load[node]!)
      chosen.push(next)
      load[next]!++
    }
    shards[`shard_${shard}`] = chosen.map(node => addresses[node]!)
  }
  const config: ClusterConfig = {
    coordinator: `127.0.0.1:${shape.basePort}`,
    consistency: shape.consistency ?? 'strong',
    topology: shape.topology ?? 'chain',
    ...(shape.minInSync === undefined ? {} : { minInSync: shape.minInSync }),
    shards,
  }
  checkClusterConfig(config, 'cluster')
  return config
}

function checkLocalShape(shape: LocalShape, nodes: number): void {
  const wholeFrom1 = (field: string, value: number, most: number) => {
    if (Number.isSafeInteger(value) && value >= 1 && value <= most) return
    throw new ClusterConfigError(
      'cluster',
      field,
      `${value} given, allowed is a whole number from 1 to ${most}`,
    )
  }
  wholeFrom1('shards', shape.shards, SHARDS_MAX)
  wholeFrom1('replicas', shape.replicas, 1_000)
  wholeFrom1('nodes', nodes, 10_000)
  wholeFrom1('basePort', shape.basePort, 65_535)
  const needed = shape.shards * shape.replicas
  if (nodes < shape.replicas || nodes > needed) {
    const allowed = `allowed is ${shape.replicas} (one replica of a shard on a node) to ${needed} (one replica each)`
    throw new ClusterConfigError('cluster', 'nodes', `${nodes} given, ${allowed}`)
  }
  if (shape.basePort + nodes > 65_535) {
    const allowed = `${nodes} nodes need the ports up to ${shape.basePort + nodes}, the highest is 65535`
    throw new ClusterConfigError('cluster', 'basePort', `${shape.basePort} given, ${allowed}`)
  }
}

/** The first of `candidates` with the lowest cost. */
function least(candidates: readonly number[], cost: (candidate: number) => number): number {
  return candidates.reduce((best, next) => (cost(next) < cost(best) ? next : best))
}

/** A list of addresses: each once, and none of them the coordinator's. */
function checkAddresses(
  config: ClusterConfig,
  list: string,
  addresses: readonly string[],
  file: string,
): void {
  const seen = new Map<string, number>()
  addresses.forEach((address, i) => {
    const field = `${list}[${i}]`
    const earlier = seen.get(address)
    if (earlier !== undefined) {
      const problem = `${showGiven(address)} given, which is ${list}[${earlier}] already`
      const owner = list === 'nodes' ? 'nodes' : 'the replicas of a shard'
      throw new ClusterConfigError(file, field, `${problem}: ${owner} have different addresses`)
    }
    seen.set(address, i)
    if (address === config.coordinator) {
      const problem = `${showGiven(address)} given, which is the coordinator`
      throw new ClusterConfigError(file, field, `${problem}: a node has an address of its own`)
    }
  })
}

function parseJson(text: string, file: string): unknown {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    const reason = String((error as Error).message).replace(/\s+/g, ' ')
    throw new ClusterConfigError(file, '', `not JSON (${reason}): a configuration is a JSON object`)
  }
  const field = duplicateField(text)
  if (field !== undefined) throw new ClusterConfigError(file, field, 'given twice, allowed is once')
  return json
}

function checkFormatVersion(json: unknown, file: string): void {
  if (typeof json !== 'object' || json === null || !('formatVersion' in json)) return
  const given = json.formatVersion
  if (given === FORMAT_VERSION) return
  const expected = `this version of Varve reads ${FORMAT_VERSION}`
  throw new ClusterConfigError(
    file,
    'formatVersion',
    `${showGiven(given)} given, ${expected}: use a newer Varve`,
  )
}

function schemaError(file: string, json: unknown, issue: z.core.$ZodIssue): ClusterConfigError {
  const { field, message } = schemaProblem(json, issue)
  return new ClusterConfigError(file, field, message)
}
