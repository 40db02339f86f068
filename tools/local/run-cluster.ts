/** A cluster in this process's care, from the claim on its folder to the end of its last process. */

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type ClusterConfig, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { CommandError, ExitCode, errorLine, unavailable } from '../exit-codes.js'
import { clusterProcesses, readClusterConfig } from './cluster-processes.js'
import { type DataFolder, SUPERVISOR } from './data-folder.js'
import { claimSupervisor, forget } from './pid-file.js'
import { waitUntilReady } from './ready.js'
import { REQUEST_POLL_MS, takeStartRequests } from './start-requests.js'
import { Supervisor } from './supervisor.js'

/** What `runCluster` tells while it works. */
export interface ClusterEvents {
  /** So many processes of the first start listen. */
  started(listening: number, of: number): void
  /** So many shards serve. */
  active(shards: number, of: number): void
  /** All shards serve. */
  ready(): Promise<void>
  /** The processes are told to end. */
  stopping(processes: number): void
  /** Something happened to a process, in words. */
  notice(line: string): void
}

export interface RunOptions {
  readonly folder: DataFolder
  readonly config: ClusterConfig
  /** Start processes again that die. */
  readonly restart: boolean
  /** How long the shards may take to serve. */
  readonly waitMs: number
  /** Go on when the terminal is gone (SIGHUP). */
  readonly ignoreHangUp?: boolean
}

/** A second signal within this time is the same wish, passed on by npm or a shell. */
const SAME_SIGNAL_MS = 1_000
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Runs the cluster until this process is told to end; then all of its processes are gone. Rejects, with
 * everything ended, where it cannot be started.
 */
export async function runCluster(options: RunOptions, events: ClusterEvents): Promise<void> {
  const { folder, config } = options
  if (!folder.isCluster) folder.create(serializeClusterConfig(config))
  folder.makeFolders()
  if (!claimSupervisor(folder)) throw unavailable(`another varve up is at work in ${folder.given}`)
  // What was asked of an earlier one: all nodes are started anyway.
  takeStartRequests(folder)
  const supervisor = new Supervisor(folder, clusterProcesses(folder, config), options.restart, events)
  const killAll = () => supervisor.signalAll('SIGKILL')
  // Should this process end by an error of its own, nothing must be left behind.
  process.once('exit', killAll)
  const told = new AbortController()
  const unlisten = onSignals(told, killAll, options.ignoreHangUp ?? false)
  try {
    const started = supervisor.start(signal => waitForShards(options, signal, events))
    await Promise.race([started, toldToEnd(told.signal)])
    if (!told.signal.aborted) {
      await events.ready()
      await Promise.race([toldToEnd(told.signal), lookAfter(options, supervisor, events, told.signal)])
    }
  } finally {
    if (supervisor.runningCount > 0) events.stopping(supervisor.runningCount)
    await supervisor.stop()
    forget(folder, SUPERVISOR)
    unlisten()
    process.off('exit', killAll)
  }
}

async function waitForShards(options: RunOptions, signal: AbortSignal, events: ClusterEvents): Promise<void> {
  const { Inspector } = await import('../../src/client/inspector.js')
  const shardCount = Object.keys(options.config.shards).length
  const inspector = new Inspector({ timeoutMs: 2_000 })
  try {
    await waitUntilReady({
      inspector,
      coordinator: options.config.coordinator,
      shardCount,
      waitMs: options.waitMs,
      signal,
      onActive: active => events.active(active, shardCount),
    })
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === ExitCode.UNAVAILABLE) {
      throw unavailable(`${error.message}; the logs are in ${options.folder.given}/logs`)
    }
    throw error
  } finally {
    inspector.close()
  }
}

/** Resolves when told to end: a start that is cut short is no error. */
async function toldToEnd(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

/**
 * Starts what commands ask for, and rejects once nothing is left to look after. Keeps this process alive until then.
 */
async function lookAfter(
  { folder }: RunOptions,
  supervisor: Supervisor,
  events: ClusterEvents,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const name of takeStartRequests(folder)) {
      try {
        startRequested(folder, supervisor, name)
      } catch (error) {
        events.notice(`cannot start ${name}, as was asked: ${errorLine(error)}`)
      }
    }
    if (supervisor.isAbandoned)
      throw unavailable('no process of the cluster is left, and none is to be started again')
    await delay(REQUEST_POLL_MS, undefined, { signal }).catch(() => {})
  }
}

/** The configuration is read anew: the node may have been added to it since. */
function startRequested(folder: DataFolder, supervisor: Supervisor, name: string): void {
  const spec = clusterProcesses(folder, readClusterConfig(folder)).find(each => each.name === name)
  if (spec !== undefined) supervisor.startNow(spec)
}

/** The first signal asks for an orderly end, a later one for an end at once. Returns what undoes it. */
function onSignals(told: AbortController, killAll: () => void, ignoreHangUp: boolean): () => void {
  let first = 0
  const ignored = () => {}
  const listener = () => {
    if (!told.signal.aborted) {
      first = performance.now()
      told.abort()
    } else if (performance.now() - first > SAME_SIGNAL_MS) {
      killAll()
    }
  }
  const onHangUp = ignoreHangUp ? ignored : listener
  for (const name of SIGNALS) process.on(name, listener)
  process.on('SIGHUP', onHangUp)
  return () => {
    for (const name of SIGNALS) process.off(name, listener)
    process.off('SIGHUP', onHangUp)
  }
}
