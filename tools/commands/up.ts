/** `varve up`: a cluster of processes on this machine, in the foreground or behind. */

import { type Command, Option } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { ClusterConfig } from '../../src/node/cluster-config.js'
import { durationMs, wholeNumber } from '../arguments.js'
import { DEFAULT_ENDPOINT, type GlobalOptions, withInspector } from '../connect.js'
import { unavailable } from '../exit-codes.js'
import { DataFolder } from '../local/data-folder.js'
import { StartProgress } from '../local/start-progress.js'
import { note, printObject } from '../output.js'
import { type ClusterSummary, type ShardLine, shardTable } from '../shard-table.js'
import { plural } from '../text.js'

/** The coordinator has just said that all shards serve. */
const READY_TIMEOUT_MS = 3_000

/** Where clusters are kept unless told otherwise. */
export const DEFAULT_DATA = './varve-data'

interface UpOptions extends GlobalOptions {
  readonly config?: string
  readonly shards?: number
  readonly replicas?: number
  readonly nodes?: number
  readonly topology?: 'chain' | 'star'
  readonly consistency?: 'strong' | 'weak'
  readonly minInSync?: number
  readonly basePort?: number
  readonly data: string
  readonly detach?: boolean
  /** False with `--no-restart`. */
  readonly restart: boolean
  readonly wait: number
  readonly inBackground?: boolean
}

export function addUp(program: Command): void {
  program
    .command('up')
    .description('start a cluster on this machine: one coordinator and one process a replica address')
    .addOption(
      new Option('--data <folder>', 'where the cluster lives').env('VARVE_DATA').default(DEFAULT_DATA),
    )
    .option('--config <file>', 'the cluster to make, as a JSON file (see docs/commands.md)')
    .option('--shards <n>', 'shards of a new cluster (default: 3)', wholeNumber(1, 65_535))
    .option('--replicas <n>', 'replicas of each shard (default: 3)', wholeNumber(1, 1_000))
    .option('--nodes <n>', 'node processes (default: as many as replicas)', wholeNumber(1, 10_000))
    .addOption(
      new Option('--topology <name>', 'how replicas follow (default: chain)').choices(['chain', 'star']),
    )
    .addOption(
      new Option('--consistency <name>', 'default of requests (default: strong)').choices(['strong', 'weak']),
    )
    .option('--min-in-sync <n>', 'in-sync replicas that strong requests need', wholeNumber(1, 1_000))
    .option(
      '--base-port <n>',
      "the coordinator's port; nodes take the next ones (default: 5000)",
      wholeNumber(1, 65_535),
    )
    .option('--wait <time>', 'how long the shards may take to serve', durationMs, 120_000)
    .option('--no-restart', 'do not start processes again that die')
    .option('--detach', 'return when the cluster serves; `varve down` ends it')
    .addOption(new Option('--in-background').hideHelp())
    .addHelpText(
      'after',
      '\nOn a folder that holds a cluster, `varve up --data FOLDER` starts that cluster again.',
    )
    .action((_options, command: Command) => up(command.optsWithGlobals<UpOptions>()))
}

async function up(options: UpOptions): Promise<void> {
  const { planCluster } = await import('../local/plan.js')
  const folder = new DataFolder(options.data)
  folder.checkUsable()
  const config = planCluster(folder, options)
  await checkNotRunning(folder)
  await checkPorts(folder, config)
  if (options.detach) {
    const { startBehind } = await import('../local/background.js')
    await startBehind(folder, config, options, await startProgress(config))
    return printReady(folder, config, options)
  }
  const { runCluster } = await import('../local/run-cluster.js')
  const run = { folder, config, restart: options.restart, waitMs: options.wait }
  if (options.inBackground) {
    const { reportToParent } = await import('../local/background.js')
    return reportToParent(events => runCluster({ ...run, ignoreHangUp: true }, events))
  }
  const progress = await startProgress(config)
  try {
    await runCluster(run, {
      started: listening => progress.started(listening),
      active: (shards, of) => progress.active(shards, of),
      ready: () => {
        progress.stop()
        return printReady(folder, config, options)
      },
      stopping: processes => {
        progress.stop()
        note(`stopping ${plural(processes, 'process', 'processes')}...`)
      },
      notice: line => note(line),
    })
  } finally {
    progress.stop()
  }
  note(`stopped; the data stays in ${folder.given}`)
}

async function startProgress(config: ClusterConfig): Promise<StartProgress> {
  const { nodesOf } = await import('../../src/node/cluster-config.js')
  const processes = nodesOf(config).length + 1
  if (!process.stderr.isTTY) note(`starting ${plural(processes, 'process', 'processes')}...`)
  return StartProgress.show(processes)
}

async function checkNotRunning(folder: DataFolder): Promise<void> {
  const { liveProcesses } = await import('../local/pid-file.js')
  const [first] = liveProcesses(folder)
  if (first === undefined) return
  const who =
    first.role === 'supervisor' ? `supervisor pid ${first.pid}` : `${first.name} has pid ${first.pid}`
  const remedy = `\`varve down --data ${folder.given}\` stops it`
  throw unavailable(`the cluster in ${folder.given} is running already (${who}): ${remedy}`)
}

async function checkPorts(folder: DataFolder, config: ClusterConfig): Promise<void> {
  const { nodesOf } = await import('../../src/node/cluster-config.js')
  const { checkAddressesFree } = await import('../local/ports.js')
  const remedy = folder.isCluster
    ? `make a new cluster at other ports: varve up --base-port N --data FOLDER`
    : 'choose other ports with --base-port, or other addresses in the file of --config'
  await checkAddressesFree([config.coordinator, ...nodesOf(config)], remedy)
}

async function printReady(folder: DataFolder, config: ClusterConfig, options: UpOptions): Promise<void> {
  const summary: ClusterSummary = {
    coordinator: config.coordinator,
    consistency: config.consistency,
    topology: config.topology,
    shards: await shardsNow(config),
  }
  const table = await shardTable(summary)
  await printObject(options.output, { ...summary, data: folder.path }, () =>
    readyText(summary, table, folder, options),
  )
}

/** Who holds what by the coordinator: since the configuration was written, heads may have changed. */
async function shardsNow(config: ClusterConfig): Promise<ShardLine[]> {
  const ask = (inspector: Inspector) => inspector.shardMap(config.coordinator)
  const map = await withInspector({ timeout: READY_TIMEOUT_MS }, ask).catch(() => undefined)
  if (map !== undefined) {
    return map.shards.map(({ name, members }) => ({ name, addresses: members.map(({ address }) => address) }))
  }
  return Object.entries(config.shards).map(([name, addresses]) => ({ name, addresses }))
}

function readyText(summary: ClusterSummary, table: string, folder: DataFolder, options: UpOptions): string {
  const { coordinator, consistency, topology, shards } = summary
  const data = options.data === DEFAULT_DATA ? '' : ` --data ${folder.given}`
  const tries = ['set greeting hello', 'get greeting', 'scan', 'watch', 'status'].map(
    line => `npx varve ${line}`,
  )
  if (coordinator !== DEFAULT_ENDPOINT) tries.unshift(`export VARVE_ENDPOINTS=${coordinator}`)
  return [
    `Varve is up: ${plural(shards.length, 'shard')}, ${topology}, ${consistency} by default`,
    '',
    indent(table),
    '',
    `  coordinator ${coordinator}, data and logs in ${folder.given}`,
    '',
    options.detach ? 'Try:' : 'Try in another terminal:',
    ...tries.map(line => `  ${line}`),
    '',
    options.detach ? `\`npx varve down${data}\` stops it.` : 'Ctrl-C stops it.',
    '',
  ].join('\n')
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
