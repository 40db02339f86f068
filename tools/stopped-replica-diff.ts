/** `varve replica diff --data`: the logs in the folders of a stopped cluster's nodes, compared with each other. */

import { badUsage, ExitCode } from './exit-codes.js'
import type { LogSource } from './log-source.js'
import { stoppedCluster } from './offline-folder.js'
import { openOfflineLog } from './offline-log.js'
import { type OutputFormat, printObject, tableOf } from './output.js'
import { partingLines, partingObject } from './parting-text.js'
import type { ReplicaLog } from './replica-parting.js'
import { type Comparison, comparePairs, holds, isDivergent, replicaLogOf } from './replica-partings.js'
import { count } from './text.js'

interface StoppedDiffOptions {
  readonly limit: number
  readonly shard?: string
  readonly output: OutputFormat
}

/** Replicas that stopped at different places are no divergence: the next start brings them together. */
type StoppedVerdict = 'same' | 'behind' | 'differ' | 'unreadable'

const EXPLAINED: Readonly<Record<StoppedVerdict, string>> = {
  same: 'the logs are the same',
  behind: 'the same as far as each goes; the next start brings them together',
  differ: 'the logs differ',
  unreadable: 'not all folders can be read',
}

interface StoppedFinding {
  readonly shard: string
  readonly verdict: StoppedVerdict
  readonly replicas: readonly ReplicaLog[]
  readonly comparison: Comparison
}

/** Exit code 1 where logs differ, or a folder cannot be read. */
export async function stoppedReplicaDiff(folder: string, options: StoppedDiffOptions): Promise<void> {
  const { shards, nodes } = stoppedCluster(folder)
  if (shards === undefined) {
    throw badUsage(
      `--data: ${folder} is the folder of one node, expected a cluster's: the folders in it are compared`,
    )
  }
  if (options.shard !== undefined && !shards.includes(options.shard)) {
    throw badUsage(`--shard: "${options.shard}" given, the cluster has ${shards.join(', ')}`)
  }
  const sources: LogSource[] = []
  try {
    for (const { name } of nodes) sources.push(await openOfflineLog(folder, name, options.shard))
    const findings: StoppedFinding[] = []
    for (const shard of shards) {
      if (options.shard !== undefined && options.shard !== shard) continue
      findings.push(await examine(shard, sources, options.limit))
    }
    const isSame = findings.every(({ verdict }) => verdict === 'same' || verdict === 'behind')
    if (!isSame) process.exitCode = ExitCode.NO
    const text = options.output === 'table' ? await findingsText(findings) : ''
    await printObject(options.output, { same: isSame, shards: findings.map(findingObject) }, () => text)
  } finally {
    await Promise.all(sources.map(source => source.close()))
  }
}

async function examine(shard: string, sources: readonly LogSource[], limit: number): Promise<StoppedFinding> {
  const holders = sources.filter(source => holds(source, shard))
  const replicas = await Promise.all(holders.map(source => replicaLogOf(source, shard)))
  const comparison = await comparePairs(
    replicas.map(log => async () => log),
    limit,
  )
  return { shard, verdict: verdictOf(comparison), replicas, comparison }
}

function verdictOf({ pairs, unread }: Comparison): StoppedVerdict {
  if (pairs.some(isDivergent)) return 'differ'
  if (unread.length > 0) return 'unreadable'
  return pairs.every(({ parting }) => parting.kind === 'same') ? 'same' : 'behind'
}

function findingObject({ shard, verdict, replicas, comparison }: StoppedFinding): object {
  return {
    shard,
    verdict,
    replicas: replicas.map(({ replica, baseIndex, lastIndex, commitIndex }) => {
      return { address: replica, baseIndex, lastIndex, commitIndex }
    }),
    logs: comparison.pairs.map(pair => partingObject(shard, pair)),
    notCompared: comparison.unread,
  }
}

async function findingsText(findings: readonly StoppedFinding[]): Promise<string> {
  const rows = findings.map(({ shard, verdict, replicas }) => {
    const last = [...new Set(replicas.map(log => log.lastIndex))].map(count).join(' / ')
    return [shard, verdict, String(replicas.length), last]
  })
  const parts = [await tableOf(['shard', 'verdict', 'replicas', 'last'], rows, ['replicas'])]
  for (const { shard, verdict, replicas, comparison } of findings) {
    if (verdict === 'same') continue
    const lines = comparison.pairs.flatMap(pair => partingLines(shard, pair))
    const unread = comparison.unread.map(({ left, right, problem }) => {
      return `the logs of ${left} and ${right} could not be compared: ${problem}`
    })
    const each = replicas.map(({ replica, baseIndex, lastIndex, commitIndex }) => {
      return [replica, count(baseIndex + 1), count(lastIndex), count(commitIndex)]
    })
    const numbers = ['first', 'last', 'committed']
    parts.push(`\n${shard}: ${EXPLAINED[verdict]}`, await tableOf(['replica', ...numbers], each, numbers))
    parts.push(...lines, ...unread)
  }
  return parts.join('\n')
}
