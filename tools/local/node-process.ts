/** The process of a node on this machine, found and ended. No process is signalled that is not verified to be it. */

import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { NodeStatus } from '../../src/generated/varve/v1/cluster.js'
import { CommandError, ExitCode, unavailable } from '../exit-codes.js'
import { DataFolder, nodeName } from './data-folder.js'
import { isNode, liveProcess, signal } from './pid-file.js'

const POLL_MS = 10
/** A process that was killed is gone once its last system call returns; a slow disk can hold that up. */
const KILLED_MS_MAX = 10_000

/** A running node. */
export interface NodeProcess {
  readonly address: string
  readonly pid: number
  readonly dataDir: string
  /** Looks anew whether the process with this id is still that node: ids are used again. */
  isThere(): boolean
}

/** By the folder's pid file. Works for a node that does not answer, too. */
export function nodeInFolder(folder: DataFolder, address: string): NodeProcess | undefined {
  const name = nodeName(address)
  const found = liveProcess(folder, name)
  if (found === undefined) return undefined
  const dataDir = folder.nodeDir(name)
  return { address, pid: found.pid, dataDir, isThere: () => liveProcess(folder, name)?.pid === found.pid }
}

/** By what the node says of itself; undefined where no process of this machine is that node. */
export function nodeByStatus(status: NodeStatus): NodeProcess | undefined {
  const { address, pid, dataDir } = status
  if (dataDir === '' || !isNode(pid, address, dataDir)) return undefined
  return { address, pid, dataDir, isThere: () => isNode(pid, address, dataDir) }
}

/** The cluster's folder that a node's own one is in, where it is as `varve up` lays it out. */
export function folderOf({ address, dataDir }: NodeProcess): DataFolder | undefined {
  const folder = new DataFolder(dirname(dirname(dataDir)))
  return folder.isCluster && folder.nodeDir(nodeName(address)) === dataDir ? folder : undefined
}

/**
 * Ends a node and resolves when it is gone: at once, or cleanly (it flushes and says goodbye first), for which it has
 * `graceMs`. Rejects where it was gone before, or is still there after the grace; it is left alone then.
 */
export async function endNode(node: NodeProcess, isClean: boolean, graceMs: number): Promise<void> {
  if (!node.isThere()) {
    throw new CommandError(ExitCode.NO, `node ${node.address} (pid ${node.pid}) ended before it was killed`)
  }
  signal(node.pid, isClean ? 'SIGTERM' : 'SIGKILL')
  const deadline = performance.now() + (isClean ? graceMs : KILLED_MS_MAX)
  while (node.isThere()) {
    if (performance.now() > deadline) {
      const remedy = isClean
        ? '`varve node kill` without --clean ends it at once'
        : 'the system did not end it'
      throw unavailable(`node ${node.address} (pid ${node.pid}) is still there: ${remedy}`)
    }
    await delay(POLL_MS)
  }
}
