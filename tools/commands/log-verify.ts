/** `varve log verify`: whether logs are what was written, from their beginning. */

import type { Command } from 'commander'
import type { FolderScan } from '../../src/log/level-scan.js'
import { badUsage, CommandError, codeOf, ExitCode } from '../exit-codes.js'
import type { CopyReport, DamageReport } from '../log-check.js'
import type { LogOptions } from '../log-source.js'
import { type NodeReport, type VerifyReport, verifyReportText } from '../log-verify-text.js'
import { note, printObject } from '../output.js'
import { addSourceOptions } from './log-options.js'

interface VerifyOptions extends LogOptions {
  readonly all?: boolean
}

export function addLogVerify(log: Command): void {
  const command = log
    .command('verify')
    .description('check all records, their hash chain, their entries and links, and what is kept beside them')
    .option('--shard <name>', 'only the log of this shard')
    .option(
      '--all',
      "check every replica's copy (default: the heads'; with --data, all that are in the folder)",
    )
    .action((_options, command: Command) => verify(command.optsWithGlobals<VerifyOptions>()))
  addSourceOptions(command)
}

async function verify(options: VerifyOptions): Promise<void> {
  if (options.all && options.replica !== undefined) throw badUsage('--all and --replica: give one of them')
  const startedAt = performance.now()
  const { copies, nodes } =
    options.data === undefined ? await verifyLive(options) : await verifyFolder(options)
  if (copies.length === 0 && nodes.every(({ damages }) => damages.length === 0)) {
    throw badUsage('there is no log to verify: no node here holds any')
  }
  const sum = (of: (copy: CopyReport) => number) => copies.reduce((total, copy) => total + of(copy), 0)
  const damages =
    sum(copy => copy.damageCount) + nodes.reduce((total, node) => total + node.damages.length, 0)
  const tookMs = performance.now() - startedAt
  const checkingMs = sum(copy => copy.tookMs)
  const report: VerifyReport = {
    ok: damages === 0,
    damageCount: damages,
    entries: sum(copy => copy.entries),
    records: sum(copy => copy.records),
    bytes: sum(copy => copy.bytes),
    tookMs,
    bytesPerSecond: checkingMs > 0 ? (sum(copy => copy.bytes) * 1_000) / checkingMs : 0,
    copies,
    nodes,
  }
  const text = options.output === 'table' ? await verifyReportText(report) : ''
  await printObject(options.output, report, () => text)
  if (!report.ok) process.exitCode = ExitCode.NO
}

type Verified = Pick<VerifyReport, 'copies' | 'nodes'>

async function verifyLive(options: VerifyOptions): Promise<Verified> {
  const { checkLive } = await import('../log-check.js')
  const { openOnlineLog } = await import('../online-log.js')
  const copies: CopyReport[] = []
  for (const { replica, shards } of await replicasOf(options)) {
    const source = await openOnlineLog(options, replica)
    try {
      for (const shard of shards) copies.push(await checkLive(source, shard))
    } finally {
      await source.close()
    }
  }
  return { copies, nodes: [] }
}

/** Whom to ask for which shards' copies; no replica: the head. */
async function replicasOf(options: VerifyOptions): Promise<{ replica?: string; shards: string[] }[]> {
  const { findShardMap, withInspector } = await import('../connect.js')
  const map = await withInspector(options, inspector => findShardMap(inspector, options.endpoints))
  const names = map.shards.map(({ name }) => name)
  const wanted = map.shards.filter(({ name }) => options.shard === undefined || name === options.shard)
  if (wanted.length === 0)
    throw badUsage(`shard "${options.shard}" given, the cluster has ${names.join(', ')}`)
  if (!options.all && options.replica === undefined) return [{ shards: wanted.map(({ name }) => name) }]
  const members = new Map<string, string[]>()
  for (const { name, members: list } of wanted) {
    for (const { address } of list) members.set(address, [...(members.get(address) ?? []), name])
  }
  if (options.all) return [...members].map(([replica, shards]) => ({ replica, shards }))
  const shards = members.get(options.replica!)
  if (shards !== undefined) return [{ replica: options.replica!, shards }]
  const have = [...members.keys()].join(', ')
  throw badUsage(`--replica: ${options.replica} given, that holds no replica here: these do: ${have}`)
}

async function verifyFolder(options: VerifyOptions): Promise<Verified> {
  const { stoppedCluster } = await import('../offline-folder.js')
  const { endOnSignals } = await import('../end-on-signals.js')
  endOnSignals()
  const cluster = stoppedCluster(options.data!)
  const chosen = cluster.nodes.filter(({ name }) => options.replica === undefined || name === options.replica)
  if (chosen.length === 0 && options.replica !== undefined) {
    const have = cluster.nodes.map(({ name }) => name).join(', ') || 'none'
    throw badUsage(
      `--replica: ${options.replica} given, ${cluster.given} has no such node: its nodes are ${have}`,
    )
  }
  const nameOf = (ordinal: number) => cluster.shards?.[ordinal] ?? String(ordinal)
  const copies: CopyReport[] = []
  const nodes: NodeReport[] = []
  for (const node of chosen) {
    const found = await verifyNode(node.dir, node.name, nameOf, options.shard)
    copies.push(...found.copies)
    nodes.push(found.node)
  }
  if (options.shard !== undefined && !copies.some(({ shard }) => shard === options.shard)) {
    if (
      cluster.shards?.includes(options.shard) !== true ||
      nodes.every(({ damages }) => damages.length === 0)
    ) {
      const have = (cluster.shards ?? copies.map(({ shard }) => shard)).join(', ')
      throw badUsage(`shard "${options.shard}" given, ${cluster.given} has ${have}`)
    }
  }
  const order = (name: string) => cluster.shards?.indexOf(name) ?? Number(name)
  return { copies: copies.sort((a, b) => order(a.shard) - order(b.shard)), nodes }
}

async function verifyNode(
  dir: string,
  name: string,
  nameOf: (ordinal: number) => string,
  only: string | undefined,
): Promise<{ copies: CopyReport[]; node: NodeReport }> {
  const { FolderScan: Folder } = await import('../../src/log/level-scan.js')
  const { checkStopped, folderDamages, tornTail } = await import('../log-check.js')
  const copies: CopyReport[] = []
  let folder: FolderScan
  try {
    folder = await Folder.open(dir)
  } catch (error) {
    // Too damaged to be opened at all: that is an answer, and other nodes' folders may be whole.
    if (codeOf(error) !== 'LOG_DAMAGED') throw withPlace(error, name)
    const damages: DamageReport[] = [{ what: (error as Error).message }]
    return { copies, node: { node: name, dir, damages, torn: null } }
  }
  try {
    for (const ordinal of folder.shards()) {
      const shard = nameOf(ordinal)
      if (only !== undefined && shard !== only) continue
      if (process.stderr.isTTY) note(`verifying ${shard} at ${name}`)
      copies.push(await checkStopped(shard, name, folder, folder.log(ordinal)!))
    }
    const torn = tornTail(folder) ?? null
    return { copies, node: { node: name, dir, damages: folderDamages(folder), torn } }
  } finally {
    await folder.close()
  }
}

function withPlace(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || error.message.includes(name) || codeOf(error) !== undefined) return error
  return new CommandError(ExitCode.UNAVAILABLE, `${name}: ${error.message}`)
}
