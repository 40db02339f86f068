/** `varve replica diff`: whether all replicas of all shards hold the same, and where they part. */

import { type Command, Option } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { Shard } from '../../src/generated/varve/v1/cluster.js'
import { wholeNumber } from '../arguments.js'
import { findShardMap, type GlobalOptions, withInspector } from '../connect.js'
import { badUsage, ExitCode } from '../exit-codes.js'
import { heldKeys, type KeyDifference, keyDifferences } from '../key-differences.js'
import { openLogSource } from '../log-source.js'
import { printObject, tableOf } from '../output.js'
import { partingLines, partingObject } from '../parting-text.js'
import { type Comparison, comparePairs, isDivergent, replicaLogOf } from '../replica-partings.js'
import { compareReplicas, type ReplicaAnswer, type ShardVerdict } from '../replica-verdict.js'
import { count, jsonBytes, plural, printable, shorten } from '../text.js'

interface DiffOptions extends GlobalOptions {
  readonly limit: number
  readonly values?: boolean
  readonly data?: string
  readonly shard?: string
}

/** What is said where it is not the logs that differ. */
const STATES_ALONE =
  'their logs are the same as far as both go: what differs is the state that was made of them, which is an error of ' +
  'the software and not of the disks; `varve replay --check` tells whose state is not what its log says'

/** A shard's verdict and the keys that were found to differ. */
interface Finding extends ShardVerdict {
  readonly differences: readonly FoundDifference[]
  readonly comparison: Comparison
}

interface FoundDifference extends KeyDifference {
  readonly leftAddress: string
  readonly rightAddress: string
}

export function addReplicaDiff(replica: Command): void {
  replica
    .command('diff')
    .description('compare all replicas of all shards; waits as long as --timeout for them to catch up')
    .option('--shard <name>', 'only this shard')
    .option('--limit <n>', 'list at most so many keys that differ, and entries of each', wholeNumber(0), 20)
    .option('--values', 'read and compare all values too, even where the digests agree')
    .addHelpText(
      'after',
      '\nExit code 1: replicas differ, did not catch up in time, or one cannot be reached.',
    )
    .addOption(
      new Option('--data <folder>', 'compare the folders of the nodes of a stopped cluster with each other'),
    )
    .action((_options, command: Command) => replicaDiff(command.optsWithGlobals<DiffOptions>()))
}

async function replicaDiff(options: DiffOptions): Promise<void> {
  if (options.data !== undefined) {
    const { stoppedReplicaDiff } = await import('../stopped-replica-diff.js')
    return await stoppedReplicaDiff(options.data, options)
  }
  await withInspector(options, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    const chosen = map.shards.filter(({ name }) => options.shard === undefined || options.shard === name)
    if (chosen.length === 0) {
      const all = map.shards.map(({ name }) => name).join(', ')
      throw badUsage(`--shard: "${options.shard}" given, the cluster has ${all}`)
    }
    const findings = await Promise.all(chosen.map(shard => examine(inspector, shard, options)))
    const replicas = findings.flatMap(finding => finding.replicas)
    const isSame = findings.every(finding => finding.verdict === 'same')
    if (!isSame) process.exitCode = ExitCode.NO
    if (replicas.length > 0 && replicas.every(each => !each.reached)) process.exitCode = ExitCode.UNAVAILABLE
    const tables = options.output === 'table' ? await findingsText(findings, options) : ''
    await printObject(options.output, { same: isSame, shards: findings.map(findingObject) }, () => tables)
  })
}

async function examine(inspector: Inspector, shard: Shard, options: DiffOptions): Promise<Finding> {
  const addresses = shard.members.map(member => member.address)
  const found = await compareReplicas(inspector, shard.name, addresses, options.timeout)
  const differences: FoundDifference[] = []
  const [first, ...others] = found.replicas.filter(each => each.reached)
  const suspects = others.filter(
    other => options.values || (found.verdict === 'differ' && other.state !== first!.state),
  )
  for (const other of suspects) {
    if (differences.length >= options.limit) break
    const pair = [first!, other].map(each => heldKeys(inspector, each.address, shard.name))
    for await (const difference of keyDifferences(pair[0]!, pair[1]!)) {
      differences.push({ ...difference, leftAddress: first!.address, rightAddress: other.address })
      if (differences.length >= options.limit) break
    }
  }
  const comparison = await compareLogs(found, options)
  const isOther = differences.length > 0 || comparison.pairs.some(isDivergent)
  return { ...found, verdict: isOther ? 'differ' : found.verdict, differences, comparison }
}

/** Where replicas hold the same at their ends, their logs are the same from the beginning (I8). */
async function compareLogs(
  { verdict, replicas, shard }: ShardVerdict,
  options: DiffOptions,
): Promise<Comparison> {
  if (verdict === 'same') return { pairs: [], unread: [] }
  const addresses = replicas.filter(each => each.reached).map(({ address }) => address)
  const sources = await Promise.all(addresses.map(replica => openLogSource({ ...options, replica })))
  try {
    return await comparePairs(
      sources.map(source => () => replicaLogOf(source, shard)),
      options.limit,
    )
  } finally {
    await Promise.all(sources.map(source => source.close()))
  }
}

function findingObject({ shard, verdict, replicas, differences, comparison }: Finding): object {
  const held = (side: KeyDifference['left']) =>
    side && { index: side.index, ...jsonBytes('value', side.value) }
  return {
    shard,
    verdict,
    replicas,
    logs: comparison.pairs.map(pair => partingObject(shard, pair)),
    notCompared: comparison.unread,
    differences: differences.map(({ key, left, right, leftAddress, rightAddress }) => ({
      ...jsonBytes('key', key),
      [leftAddress]: held(left) ?? null,
      [rightAddress]: held(right) ?? null,
    })),
  }
}

async function findingsText(findings: readonly Finding[], options: DiffOptions): Promise<string> {
  const header = ['shard', 'verdict', 'replicas', 'commit', 'keys', 'digest']
  const rows = findings.map(({ shard, verdict, replicas }) => {
    const reached = replicas.filter(each => each.reached)
    const one = (value: (each: (typeof reached)[number]) => string) =>
      [...new Set(reached.map(value))].join(' / ')
    return [
      shard,
      verdict,
      `${reached.length}/${replicas.length}`,
      one(each => count(each.commitIndex)),
      one(each => count(each.liveKeys)),
      one(each => each.state.slice(0, 12)),
    ]
  })
  const parts = [await tableOf(header, rows, ['replicas', 'commit', 'keys'])]
  for (const finding of findings) parts.push(...(await details(finding, options)))
  return parts.join('\n')
}

/** What is to be said about a shard whose replicas are not the same. */
async function details(finding: Finding, options: DiffOptions): Promise<string[]> {
  if (finding.verdict === 'same') return []
  const rows = finding.replicas.map(replicaRow)
  const parts = [
    `\n${finding.shard}: ${explain(finding.verdict, options)}`,
    await tableOf(['replica', 'commit', 'last', 'keys', 'digest'], rows, ['commit', 'last', 'keys']),
  ]
  for (const pair of finding.comparison.pairs) parts.push(...partingLines(finding.shard, pair))
  for (const { left, right, problem } of finding.comparison.unread) {
    parts.push(`the logs of ${left} and ${right} could not be compared: ${problem}`)
  }
  if (finding.verdict !== 'differ') return parts
  const isInLogs = finding.comparison.pairs.some(isDivergent)
  if (!isInLogs && finding.comparison.unread.length === 0) parts.push(STATES_ALONE)
  if (finding.differences.length === 0) {
    if (!isInLogs) parts.push('no key with a value differs: the difference is in deleted keys')
    return parts
  }
  const isCut = finding.differences.length >= options.limit
  parts.push(`${isCut ? 'the first ' : ''}${plural(finding.differences.length, 'key')} held differently:`)
  for (const { key, left, right, leftAddress, rightAddress } of finding.differences) {
    parts.push(`  ${printable(key)}: ${heldText(leftAddress, left)}, ${heldText(rightAddress, right)}`)
  }
  return parts
}

function explain(verdict: ShardVerdict['verdict'], options: DiffOptions): string {
  if (verdict === 'behind') return `the replicas did not come to the same index within ${options.timeout} ms`
  if (verdict === 'unreachable') return 'not all replicas answer'
  return 'the replicas differ'
}

function replicaRow(each: ReplicaAnswer): string[] {
  if (!each.reached) return [each.address, '', '', '', each.problem]
  return [
    each.address,
    count(each.commitIndex),
    count(each.lastIndex),
    count(each.liveKeys),
    each.state.slice(0, 12),
  ]
}

function heldText(address: string, held: KeyDifference['left']): string {
  if (held === undefined) return `${address} does not hold it`
  return `${address} holds ${shorten(printable(held.value), 40)} (index ${held.index})`
}
