/** A stopped cluster's folder, or one node's, as `--data` names it: which nodes' databases are in it. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type ClusterConfig, nodesOf } from '../src/node/cluster-config.js'
import { badUsage, unavailable } from './exit-codes.js'
import { readClusterConfig } from './local/cluster-processes.js'
import { DataFolder, nodeName } from './local/data-folder.js'
import { liveProcesses } from './local/pid-file.js'

/** One node's database, and what the node is called: its address, where that is known. */
export interface StoppedNode {
  readonly dir: string
  readonly name: string
}

/** What a folder holds. */
export interface StoppedCluster {
  /** As it was given. */
  readonly given: string
  /** Names of the shards by ordinal; undefined where nobody knows them: of a node's folder by itself. */
  readonly shards: readonly string[] | undefined
  /** Which addresses the configuration lists for each shard, by ordinal. */
  readonly listed: readonly (readonly string[])[]
  /** Nodes with a database here, in the configuration's order; those that it does not name come last. */
  readonly nodes: readonly StoppedNode[]
}

/**
 * Looks at the folder that `--data` names: a cluster's, or one node's. Throws bad-usage errors for what is neither, and
 * an error of the moment where its processes run.
 */
export function stoppedCluster(given: string): StoppedCluster {
  const folder = new DataFolder(given)
  if (!folder.exists) {
    throw badUsage(`--data: ${given} given, there is no such folder: expected a cluster's or a node's`)
  }
  if (!statSync(folder.path).isDirectory()) {
    throw badUsage(`--data: ${given} given, that is a file: expected a cluster's folder or a node's`)
  }
  if (folder.isCluster) return ofCluster(folder)
  if (hasDatabase(folder.path)) return ofNode(folder)
  const found = readdirSync(folder.path)
  const what = found.length === 0 ? 'is empty' : `holds other files (${found[0]}, say)`
  throw badUsage(
    `--data: ${given} ${what}: expected the folder of a cluster (with cluster.json) or of a node (with CURRENT)`,
  )
}

function ofCluster(folder: DataFolder): StoppedCluster {
  checkStopped(folder)
  const config = readConfig(folder)
  const addresses = nodesOf(config)
  const nodes = addresses
    .map((name, at) => ({ name, dir: dirOfNode(folder, name, at) }))
    .filter(({ dir }) => hasDatabase(dir))
  const known = new Set(nodes.map(({ dir }) => basename(dir)))
  const parent = folder.nodeDir('')
  // What was set aside as damaged is not a node's any more.
  const others = (existsSync(parent) ? readdirSync(parent).sort() : []).filter(
    name => !known.has(name) && !/\.(damaged-|empty$|reading$)/.test(name) && hasDatabase(join(parent, name)),
  )
  nodes.push(...others.map(name => ({ name, dir: join(parent, name) })))
  return { given: folder.given, ...namesOf(config), nodes }
}

/** A node's folder alone: the cluster's names are two folders up, or one for a cluster in one process. */
function ofNode(node: DataFolder): StoppedCluster {
  for (const parent of [dirname(dirname(node.path)), dirname(node.path)]) {
    const cluster = new DataFolder(parent)
    if (!cluster.isCluster) continue
    const config = readConfig(cluster)
    const name = nodesOf(config).find((address, at) => dirOfNode(cluster, address, at) === node.path)
    if (name === undefined) continue
    checkStopped(cluster, nodeName(name))
    return { given: node.given, ...namesOf(config), nodes: [{ dir: node.path, name }] }
  }
  return { given: node.given, shards: undefined, listed: [], nodes: [{ dir: node.path, name: node.given }] }
}

function namesOf(config: ClusterConfig): {
  shards: readonly string[]
  listed: readonly (readonly string[])[]
} {
  return { shards: Object.keys(config.shards), listed: Object.values(config.shards) }
}

/** A cluster in one process calls its nodes' folders by their numbers. */
function dirOfNode(folder: DataFolder, address: string, at: number): string {
  const numbered = join(folder.path, `node-${at + 1}`)
  return hasDatabase(numbered) ? numbered : folder.nodeDir(nodeName(address))
}

/** True for a folder that holds a node's database. */
export function hasDatabase(dir: string): boolean {
  return existsSync(dir) && statSync(dir).isDirectory() && readdirSync(dir).includes('CURRENT')
}

/** A running node holds its database: ask it instead. Throws where one runs, or the node of that name. */
export function checkStopped(folder: DataFolder, name?: string): void {
  const running = liveProcesses(folder).filter(
    each => each.role === 'node' && (name === undefined || each.name === name),
  )
  if (running.length === 0) return
  const remedy = 'leave --data out to ask it with --endpoints, or stop it first with `varve down`'
  const first = `${running[0]!.name}, pid ${running[0]!.pid}`
  throw unavailable(`--data: the cluster in ${folder.given} is running (${first}): ${remedy}`)
}

/** The configuration in a cluster's folder. */
export function readConfig(folder: DataFolder): ClusterConfig {
  return readClusterConfig(folder)
}

/** The nodes whose copy of a shard is to be read, the first choice first: those that the configuration lists for it. */
export function nodesInOrder(cluster: StoppedCluster, ordinal: number): readonly StoppedNode[] {
  const listed = cluster.listed[ordinal] ?? []
  const rank = ({ name }: StoppedNode) => {
    const at = listed.indexOf(name)
    return at === -1 ? listed.length : at
  }
  return [...cluster.nodes].sort((a, b) => rank(a) - rank(b))
}
