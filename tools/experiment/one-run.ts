/** One run of an experiment: cluster, load, faults, quiet, and what is left of it. */

import { Inspector } from '../../src/client/inspector.js'
import type { ClusterConfig } from '../../src/node/cluster-config.js'
import { type ExitHooks, mainBeside, WorkerProcess } from '../worker/worker-process.js'
import type { ExperimentCluster } from './cluster/experiment-cluster.js'
import { FaultMaker } from './cluster/fault-maker.js'
import { OwnCluster } from './cluster/own-cluster.js'
import { type FinalState, finalState, logEnds } from './cluster/quiet.js'
import { RunningCluster } from './cluster/running-cluster.js'
import type { PlannedRun } from './description/variants.js'
import type { ExperimentFolder } from './record/experiment-folder.js'
import type { Recorder } from './record/recorder.js'
import { RunRecord } from './record/run-record.js'
import { runningPrefix } from './record/running-prefix.js'
import { Sampler } from './record/sampler.js'
import type { LoadProcessEvent, LoadTotals, PrepareRequest, ProgressEvent } from './workload/load-protocol.js'

/** Every node and the map have been heard of before the load begins; one that is silent for longer is not waited for. */
const HEARD_MS_MAX = 10_000

/** What is told of a run while it is made. */
export interface RunProgress {
  stage(what: string, done?: number, of?: number): void
}

export interface RunOptions {
  readonly planned: PlannedRun
  /** Undefined for a cluster that runs already. */
  readonly config: ClusterConfig | undefined
  readonly folder: ExperimentFolder
  readonly recorder: Recorder
  readonly hooks: ExitHooks
  /** Aborted by Ctrl-C: the load ends in order, and nothing is waited for any more. */
  readonly signal: AbortSignal
  readonly progress: RunProgress
}

/** What a run left besides its history, which is in the folder. */
export interface RunOutcome {
  readonly record: RunRecord
  readonly totals: LoadTotals
  /** Undefined where the run was interrupted. */
  readonly state: FinalState | undefined
}

/** Makes a run. Whatever goes wrong, no process of it is left, and what was recorded stays in the folder. */
export async function makeRun(options: RunOptions): Promise<RunOutcome> {
  const { planned, recorder, hooks } = options
  const record = new RunRecord(planned.name, recorder)
  const main = mainBeside(import.meta.url, 'workload/load-main')
  const load = new WorkerProcess(main, `the load of ${planned.name}`, hooks)
  let cluster: ExperimentCluster | undefined
  try {
    cluster = await openCluster(options, record)
    return await new Run(options, record, cluster, load).make()
  } finally {
    await load.stop()
    await cluster?.close()
    await recorder.takeHistory(planned.name)
  }
}

async function openCluster(options: RunOptions, record: RunRecord): Promise<ExperimentCluster> {
  const { planned, config, folder, hooks, signal, progress } = options
  const { cluster } = planned.description
  if (config === undefined) return RunningCluster.at(cluster.endpoints!)
  return OwnCluster.start({
    config,
    dataDir: folder.clusterDir(planned.name),
    logDir: folder.logDir(planned.name),
    restart: cluster.restart,
    hooks,
    signal,
    onStarted: (listening, of) => progress.stage('starting processes', listening, of),
    onProcess: (node, what) => record.note('process', { node, what }),
  })
}

class Run {
  readonly #options: RunOptions
  readonly #record: RunRecord
  readonly #cluster: ExperimentCluster
  readonly #load: WorkerProcess
  readonly #inspector = new Inspector({ timeoutMs: 5_000 })
  readonly #faults: FaultMaker
  readonly #loadEnded = new AbortController()
  #timeline: Promise<void> = Promise.resolve()
  /** Of a cluster that ran before: what was in its logs is not the run's. */
  #since: Readonly<Record<string, number>> = {}

  constructor(options: RunOptions, record: RunRecord, cluster: ExperimentCluster, load: WorkerProcess) {
    this.#options = options
    this.#record = record
    this.#cluster = cluster
    this.#load = load
    this.#faults = new FaultMaker({
      cluster,
      inspector: this.#inspector,
      sinceZeroMs: () => record.nowMs(),
      onFault: (fault, monotonicMs) => record.note('fault', fault, monotonicMs),
    })
  }

  async make(): Promise<RunOutcome> {
    const { progress, signal } = this.#options
    const { description } = this.#options.planned
    progress.stage('connecting')
    if (this.#options.config === undefined) this.#since = await logEnds(this.#inspector, this.#cluster)
    await this.#load.ask(this.#prepareRequest())
    const sampler = new Sampler({
      coordinator: this.#cluster.coordinator,
      nodes: this.#cluster.nodes,
      everyMs: description.record.sampleEvery,
      onSample: (sample, wallMs) => this.#record.noteAtWall('sample', sample, wallMs),
      onMembership: membership => this.#record.note('membership', membership),
    })
    try {
      await sampler.allHeard(HEARD_MS_MAX)
      const totals = await this.#underLoad()
      if (signal.aborted) return { record: this.#record, totals, state: undefined }
      progress.stage('waiting for quiet')
      await this.#faults.heal()
      const state = await this.#whenQuiet()
      return { record: this.#record, totals, state }
    } finally {
      // A cluster that goes on must not stay as a timeline that was cut short left it.
      if (this.#options.config === undefined) await this.#faults.heal()
      await sampler.stop()
      this.#inspector.close()
    }
  }

  async #underLoad(): Promise<LoadTotals> {
    const { signal } = this.#options
    const stop = () => this.#load.tell({ kind: 'stop' })
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    try {
      const totals = await this.#load.ask<LoadTotals>({ kind: 'run' }, event =>
        this.#onEvent(event as LoadProcessEvent),
      )
      this.#record.note('load', { state: 'ended', clients: 0 })
      return totals
    } finally {
      this.#loadEnded.abort()
      await this.#timeline
      signal.removeEventListener('abort', stop)
    }
  }

  #onEvent(event: LoadProcessEvent): void {
    if (event.kind === 'progress') {
      return this.#tellProgress(event)
    }
    const { clients, monotonicMs } = event
    if (event.kind === 'step') return this.#record.note('load', { state: 'step', clients }, monotonicMs)
    const { topology, coordinator, shards, startedInMs } = this.#cluster
    const { consistency } = this.#options.planned.description
    this.#record.begin(event, {
      topology,
      consistency,
      coordinator,
      shards,
      ...(startedInMs === undefined ? {} : { startedInMs }),
    })
    this.#record.note('load', { state: 'begun', clients }, monotonicMs)
    this.#timeline = this.#faults.run(this.#options.planned.description.faults, this.#loadEnded.signal)
  }

  /** Against the time where the load has one, else against its operations. */
  #tellProgress({ answered, failed, unknown }: ProgressEvent): void {
    const { progress, planned } = this.#options
    const { durationMs, ramp, operations } = planned.description.workload
    const lastsMs = durationMs ?? ramp?.reduce((sum, { forMs }) => sum + forMs, 0)
    if (lastsMs === undefined) return progress.stage('operations', answered + failed + unknown, operations)
    progress.stage('seconds under load', Math.floor(this.#record.nowMs() / 1_000), Math.ceil(lastsMs / 1_000))
  }

  async #whenQuiet(): Promise<FinalState> {
    const { planned, recorder, signal } = this.#options
    const { settle } = planned.description
    const { left } = this.#faults
    const since = this.#since
    const state = await finalState({ cluster: this.#cluster, left, waitMs: settle, signal, since })
    if (state.replicas !== undefined) this.#record.note('quiet', { replicas: state.replicas })
    recorder.entries(planned.name, state.log, state.orphans)
    return state
  }

  #prepareRequest(): PrepareRequest {
    const { planned, config, folder } = this.#options
    const { workload, seed, consistency, reads } = planned.description
    const prefix = config === undefined ? runningPrefix(Date.now()) : ''
    return {
      kind: 'prepare',
      run: planned.name,
      endpoints: [this.#cluster.coordinator, ...this.#cluster.nodes],
      workload: { ...workload, keyPrefix: `${prefix}${workload.keyPrefix}` },
      seed,
      consistency,
      reads,
      historyFile: folder.historyPart(planned.name),
    }
  }
}
