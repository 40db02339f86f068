/** Where `varve log orphans` and `log resubmit` find orphans: on every node of a running cluster that answers. */

import type { Inspector } from '../src/client/inspector.js'
import type { Shard, ShardMap } from '../src/generated/varve/v1/cluster.js'
import { codeOf, unavailable } from './exit-codes.js'
import { type LogLine, lineOfMessage } from './log-line.js'
import { FateFinder, type NodeOrphan, type OrphanUnit } from './orphan-units.js'
import { byteSize } from './text.js'

/** Orphans are compared with the log in memory: more than this are not taken at a time. */
const ORPHANS_SIZE_BYTES_MAX = 268_435_456
/** What an orphan takes beside its key and value, about. */
const ORPHAN_OVERHEAD_BYTES = 512

/** Which orphans a person asks for. */
export interface OrphanSelection {
  readonly shards: readonly string[]
  /** Undefined: every node's. */
  readonly node?: string | undefined
  readonly epoch?: number | undefined
  readonly firstIndex: number
  readonly lastIndex: number
  /** Undefined: of all keys. */
  readonly key?: Buffer | undefined
}

/** The orphans of one shard. */
export interface ShardOrphans {
  readonly shard: string
  /** By node, epoch and index. */
  readonly orphans: readonly NodeOrphan[]
  /** Lowest index at which any node was cut off, also of orphans that were not asked for; 0 if there are none. */
  readonly cutFrom: number
}

/** Whose disk was not read, and why. */
export interface SilentNode {
  readonly node: string
  readonly reason: string
}

/** Gathers orphans, as far as they fit into memory. */
export class OrphanGatherer {
  readonly #selection: OrphanSelection
  readonly #orphans: NodeOrphan[] = []
  #sizeBytes = 0
  #cutFrom = 0

  constructor(selection: OrphanSelection) {
    this.#selection = selection
  }

  /** Takes the orphan if it was asked for. Throws where there are too many. */
  add(orphan: NodeOrphan): void {
    const { line } = orphan
    this.#cutFrom = this.#cutFrom === 0 ? line.index : Math.min(this.#cutFrom, line.index)
    if (!isWanted(line, this.#selection)) return
    this.#sizeBytes += line.key.length + line.value.length + ORPHAN_OVERHEAD_BYTES
    if (this.#sizeBytes > ORPHANS_SIZE_BYTES_MAX) {
      const problem = `${line.shard} has more than ${byteSize(ORPHANS_SIZE_BYTES_MAX)} of orphans`
      throw unavailable(`${problem}: ask for some of them with --node, --epoch or --index`)
    }
    this.#orphans.push(orphan)
  }

  result(shard: string): ShardOrphans {
    return { shard, orphans: this.#orphans, cutFrom: this.#cutFrom }
  }
}

function isWanted(line: LogLine, selection: OrphanSelection): boolean {
  const { epoch, firstIndex, lastIndex, key } = selection
  if (key !== undefined && !key.equals(line.key)) return false
  return (epoch === undefined || line.epoch === epoch) && line.index >= firstIndex && line.index <= lastIndex
}

/**
 * All orphans of the running nodes, shard by shard. Nodes that do not answer are returned beside; rejects where none
 * does, or the one that was asked for does not.
 */
export async function gatherOrphans(
  inspector: Inspector,
  map: ShardMap,
  selection: OrphanSelection,
): Promise<{ shards: ShardOrphans[]; silent: SilentNode[] }> {
  const nodes = selection.node === undefined ? await allNodes(inspector, map) : [selection.node]
  const silent = new Map<string, SilentNode>()
  const shards: ShardOrphans[] = []
  for (const shard of selection.shards) {
    const gatherer = new OrphanGatherer(selection)
    for (const node of nodes.filter(each => !silent.has(each))) {
      const reason = await readNode(inspector, node, shard, gatherer)
      if (reason !== undefined) silent.set(node, { node, reason })
    }
    shards.push(gatherer.result(shard))
  }
  if (silent.size > 0 && silent.size === nodes.length) throw unavailable([...silent.values()][0]!.reason)
  return { shards, silent: [...silent.values()] }
}

/** Nodes that hold or held something: those of the map, and those that the coordinator knows beside. */
async function allNodes(inspector: Inspector, map: ShardMap): Promise<string[]> {
  const ofShards = map.shards.flatMap(({ members, learners }) =>
    [...members, ...learners].map(({ address }) => address),
  )
  const listed =
    map.coordinator === ''
      ? { nodes: [] }
      : await inspector.listNodes(map.coordinator).catch(() => ({ nodes: [] }))
  const known = listed.nodes.map(({ address }) => address)
  return [...new Set([...ofShards, ...known])].sort()
}

/** Why the node could not be asked; undefined where it could, or holds nothing of the shard. */
async function readNode(
  inspector: Inspector,
  node: string,
  shard: string,
  gatherer: OrphanGatherer,
): Promise<string | undefined> {
  try {
    for await (const { entries } of inspector.readOrphans(node, { shard })) {
      for (const entry of entries) gatherer.add({ node, line: lineOfMessage(entry) })
    }
    return undefined
  } catch (error) {
    const code = codeOf(error)
    if (code === 'NOT_MEMBER') return undefined
    if (code !== 'UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') throw error
    return (error as Error).message
  }
}

/**
 * What became of a shard's orphans, by the log of its head, read from where the first of them was cut off: before that,
 * the logs were the same. Rejects where the head cannot be asked.
 */
export async function findFates(
  inspector: Inspector,
  shard: Shard,
  units: readonly OrphanUnit[],
  cutFrom: number,
): Promise<FateFinder> {
  const read = async (fromIndex: number, isWhole: boolean) => {
    const finder = new FateFinder(shard.ordinal, units, isWhole)
    for await (const { entries } of inspector.readLog(shard.head, {
      shard: shard.name,
      fromIndex,
      toIndex: 0,
    })) {
      for (const entry of entries) finder.see(lineOfMessage(entry))
    }
    return finder
  }
  if (units.length === 0) return new FateFinder(shard.ordinal, units, true)
  if (shard.head === '')
    throw unavailable(`${shard.name} has no head now: ${shard.waitingFor || shard.status}`)
  try {
    return await read(cutFrom, true)
  } catch (error) {
    if (codeOf(error) !== 'OUT_OF_RETENTION') throw error
    return await read(0, false)
  }
}
