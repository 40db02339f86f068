/**
 * The folder of a cluster on this machine, as `varve up` lays it out:
 *
 *   cluster.json             the configuration; nodes may be added to it
 *   coordinator/             the coordinator's database
 *   nodes/<host>_<port>/     each node's database
 *   logs/<name>.log          what each process says, as JSON lines
 *   requests/<name>          nodes that the supervisor is asked to start
 *   <name>.pid               the process ids; up.pid is the supervisor's, up.start its start time
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { badUsage } from '../exit-codes.js'

/** Name of the coordinator's process, log and pid file. */
export const COORDINATOR = 'coordinator'
/** Name of the supervisor's log and pid file. */
export const SUPERVISOR = 'up'

/** File and folder name of a node, made of its address: `127.0.0.1_5001`. */
export function nodeName(address: string): string {
  return address.replace(/[^A-Za-z0-9.-]/g, '_')
}

/** Names of what is in a cluster's folder. Makes nothing by itself. */
export class DataFolder {
  /** Absolute and without symbolic links, so that the same folder is always named the same. */
  readonly path: string
  /** As the person gave it, for messages. */
  readonly given: string

  constructor(given: string) {
    this.given = given
    this.path = realPathOf(resolve(given))
  }

  get exists(): boolean {
    return existsSync(this.path)
  }

  get configFile(): string {
    return join(this.path, 'cluster.json')
  }

  get isCluster(): boolean {
    return existsSync(this.configFile)
  }

  get startFile(): string {
    return join(this.path, `${SUPERVISOR}.start`)
  }

  get coordinatorDir(): string {
    return join(this.path, COORDINATOR)
  }

  get requestsDir(): string {
    return join(this.path, 'requests')
  }

  nodeDir(name: string): string {
    return join(this.path, 'nodes', name)
  }

  /** True if there is a folder with something in it for that node. */
  hasNode(name: string): boolean {
    const dir = this.nodeDir(name)
    return existsSync(dir) && readdirSync(dir).length > 0
  }

  /** True as long as the supervisor has not taken up the request to start that process. */
  isRequested(name: string): boolean {
    return existsSync(join(this.requestsDir, name))
  }

  pidFile(name: string): string {
    return join(this.path, `${name}.pid`)
  }

  logFile(name: string): string {
    return join(this.path, 'logs', `${name}.log`)
  }

  /** Names that have a pid file, stale or not. None in a folder that is not a cluster's: such files are not ours. */
  pidNames(): string[] {
    if (!this.isCluster) return []
    return readdirSync(this.path)
      .filter(file => file.endsWith('.pid'))
      .map(file => basename(file, '.pid'))
      .sort()
  }

  /** Refuses a path that cannot become a cluster's folder: a file, or a folder that holds something else. */
  checkUsable(): void {
    if (!this.exists || this.isCluster) return
    if (!statSync(this.path).isDirectory()) {
      throw badUsage(`--data: ${this.given} is a file, expected a folder or a path where one can be made`)
    }
    const found = readdirSync(this.path)
    if (found.length === 0) return
    const problem = `${this.given} holds no Varve cluster (no cluster.json) and is not empty (${found[0]} is in it)`
    throw badUsage(`--data: ${problem}: give an empty or a new folder`)
  }

  /** Makes the folders and stores the configuration, all of it or nothing; one that is there is replaced. */
  create(configText: string): void {
    this.makeFolders()
    const draft = join(this.path, '.cluster.json.new')
    writeFileSync(draft, configText)
    renameSync(draft, this.configFile)
  }

  makeFolders(): void {
    for (const folder of [this.path, join(this.path, 'logs'), join(this.path, 'nodes')]) {
      mkdirSync(folder, { recursive: true })
    }
  }
}

/** Resolves symbolic links of as much of the path as exists. */
function realPathOf(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  const parent = dirname(path)
  return parent === path ? path : join(realPathOf(parent), basename(path))
}
