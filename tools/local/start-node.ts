/** Starts one process of a cluster's folder: by the supervisor where one runs, else as a process of its own. */

import { setTimeout as delay } from 'node:timers/promises'
import {
  type ClusterConfig,
  nodesOf,
  serializeClusterConfig,
  withNode,
} from '../../src/node/cluster-config.js'
import { badUsage, unavailable } from '../exit-codes.js'
import { Child, endReason } from './child.js'
import { clusterProcesses, describe, type ProcessSpec, readClusterConfig } from './cluster-processes.js'
import { type DataFolder, nodeName } from './data-folder.js'
import { withFolderLock } from './folder-lock.js'
import { lastMessage, logSize } from './log-file.js'
import { liveProcess, supervision } from './pid-file.js'
import { accepts, checkAddressesFree, nextFreeAddress } from './ports.js'
import { requestStart, withdrawStart } from './start-requests.js'

const POLL_MS = 50
/** The supervisor looks several times a second, but not before the cluster's own start is over. */
const TAKE_UP_MS_MAX = 5_000

/** A process that was started and listens. */
export interface StartedNode {
  readonly address: string
  readonly pid: number
  /** By whom it is looked after from now on. */
  readonly supervision: 'none' | 'restarts' | 'leaves'
}

/**
 * Adds a node to the folder's cluster: at `address`, or at a free port after the others. It is part of the cluster from
 * then on, also for a later `varve up`. Returns its address; it does not run yet.
 */
export function addNode(folder: DataFolder, address: string | undefined): Promise<string> {
  return withFolderLock(folder, async () => {
    const config = readClusterConfig(folder)
    const isFresh = (each: string) => !folder.hasNode(nodeName(each))
    const chosen = address ?? (await nextFreeAddress(config.coordinator, nodesOf(config), isFresh))
    checkNew(folder, config, chosen)
    await checkAddressesFree([chosen], 'choose another address with --address')
    folder.create(serializeClusterConfig(withNode(config, chosen)))
    return chosen
  })
}

/**
 * Starts the process at an address of the folder's cluster and resolves when it listens. Rejects where it is running,
 * where its address is taken, and with what it said last where it ends instead.
 */
export async function startNode(
  folder: DataFolder,
  address: string,
  waitMs: number,
  signal?: AbortSignal,
): Promise<StartedNode> {
  const deadline = performance.now() + waitMs
  const spec = specAt(folder, readClusterConfig(folder), address)
  const logFile = folder.logFile(spec.name)
  const logStart = logSize(logFile)
  folder.makeFolders()
  const started = await withFolderLock(folder, async () => {
    await checkStopped(folder, spec)
    if (supervision(folder) === 'none') return new Child(folder, spec)
    requestStart(folder, spec.name)
    return undefined
  })
  const child = started ?? (await takenUp(folder, spec, deadline))
  if (child !== undefined) {
    if (!(await listensInTime(child, deadline))) throw notStarted(folder, child)
    child.release()
    return { address, pid: child.pid, supervision: 'none' }
  }
  const pid = await listensUnderSupervisor(folder, spec, logStart, deadline, signal)
  return { address, pid, supervision: supervision(folder) }
}

function checkNew(folder: DataFolder, config: ClusterConfig, address: string): void {
  if (nodesOf(config).includes(address)) {
    const remedy = `\`varve node start ${address}\` starts it with the data that it has`
    throw badUsage(`--address: ${address} given, which is a node of this cluster already: ${remedy}`)
  }
  if (address === config.coordinator) {
    throw badUsage(`--address: ${address} given, which is the coordinator: a node has an address of its own`)
  }
  if (folder.hasNode(nodeName(address))) {
    const data = folder.nodeDir(nodeName(address))
    throw badUsage(`--address: ${address} given, but ${data} holds data already: choose another address`)
  }
}

function specAt(folder: DataFolder, config: ClusterConfig, address: string): ProcessSpec {
  const spec = clusterProcesses(folder, config).find(each => each.address === address)
  if (spec !== undefined) return spec
  const remedy = `\`varve node start --new --address ${address}\` adds one`
  throw badUsage(
    `${address} is no node of the cluster in ${folder.given}, which has ${nodesOf(config).join(', ')}: ${remedy}`,
  )
}

async function checkStopped(folder: DataFolder, spec: ProcessSpec): Promise<void> {
  const live = liveProcess(folder, spec.name)
  if (live !== undefined) throw unavailable(`${describe(spec)} is running already (pid ${live.pid})`)
  await checkAddressesFree([spec.address], 'start a new node elsewhere with --new')
}

/** Waits for the supervisor to take the request; a supervisor that ends before that leaves the start to this process. */
async function takenUp(folder: DataFolder, spec: ProcessSpec, deadline: number): Promise<Child | undefined> {
  const until = Math.min(deadline, performance.now() + TAKE_UP_MS_MAX)
  while (folder.isRequested(spec.name)) {
    const isAlone = supervision(folder) === 'none'
    if (isAlone && withdrawStart(folder, spec.name)) return new Child(folder, spec)
    if (performance.now() > until && withdrawStart(folder, spec.name)) {
      const reason = 'does not take up what it is asked for: it may still be starting the cluster'
      throw unavailable(`the varve up that runs in ${folder.given} ${reason}; try again when that is done`)
    }
    await delay(POLL_MS)
  }
  return undefined
}

async function listensInTime(child: Child, deadline: number): Promise<boolean> {
  const late = delay(Math.max(1, deadline - performance.now()), 'late' as const, { ref: false })
  const first = await Promise.race([child.listening(), late])
  if (first !== 'late') return first
  // What does not come up in time would come up when nobody waits for it any more.
  await child.stop(1_000)
  throw unavailable(`${describe(child.spec)} did not listen in time and was stopped (--wait gives it longer)`)
}

function notStarted(folder: DataFolder, child: Child): Error {
  return unavailable(endReason(child.spec, child.end!, folder.logFile(child.spec.name)))
}

async function listensUnderSupervisor(
  folder: DataFolder,
  spec: ProcessSpec,
  logStart: number,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const logFile = folder.logFile(spec.name)
  for (;;) {
    const live = liveProcess(folder, spec.name)
    if (live !== undefined && (await accepts(spec.address))) return live.pid
    const complaint = live === undefined ? lastMessage(logFile, logStart) : undefined
    if (complaint !== undefined) throw unavailable(`${describe(spec)} did not start: ${complaint}`)
    if (performance.now() > deadline) {
      throw unavailable(`${describe(spec)} does not listen yet (--wait gives it longer); see ${logFile}`)
    }
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal })
  }
}
