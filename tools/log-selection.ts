/** Which part of which logs is meant by `--shard`, `--from`, `--to` and `--prefix`. */

import { badUsage } from './exit-codes.js'
import type { LogLine } from './log-line.js'
import { parseTimeAddress, type TimeAddress } from './time-address.js'

/** The options as given. */
export interface SelectionOptions {
  readonly shard?: string
  readonly from?: string
  readonly to?: string
  readonly prefix?: string
}

export interface LogSelection {
  readonly shards: readonly string[]
  /** Indexes, inclusive; `toIndex` 0: to the end. */
  readonly fromIndex: number
  readonly toIndex: number
  /** Whether an entry is wanted. Stamps grow with the index: after one that is `after` all in its log are. */
  place(line: LogLine): 'skip' | 'in' | 'after'
}

/** Reads the options against the shards there are. Throws bad-usage errors. */
export function selectLog(options: SelectionOptions, known: readonly string[], nowMs: number): LogSelection {
  const from = options.from === undefined ? undefined : parseTimeAddress(options.from, '--from', nowMs)
  const to = options.to === undefined ? undefined : parseTimeAddress(options.to, '--to', nowMs)
  const shards = chooseShards(options.shard, [from, to], known)
  for (const [option, address] of [
    ['--from', from],
    ['--to', to],
  ] as const) {
    if (address?.kind !== 'index' || shards.length === 1) continue
    throw badUsage(
      `${option}: an index counts in one shard; say which with index:SHARD/${address.index} or --shard`,
    )
  }
  const prefix = Buffer.from(options.prefix ?? '', 'utf8')
  return {
    shards,
    fromIndex: from?.kind === 'index' ? Math.max(1, from.index) : 1,
    toIndex: to?.kind === 'index' ? to.index : 0,
    place: line => {
      if (isBefore(line, from)) return 'skip'
      if (isAfter(line, to)) return 'after'
      const matches = prefix.length === 0 || line.key.subarray(0, prefix.length).equals(prefix)
      return matches ? 'in' : 'skip'
    },
  }
}

function chooseShards(
  given: string | undefined,
  addresses: readonly (TimeAddress | undefined)[],
  known: readonly string[],
): readonly string[] {
  const named = addresses.map(each => (each?.kind === 'index' ? each.shard : undefined))
  const wanted = [...new Set([given, ...named].filter(name => name !== undefined))]
  if (wanted.length > 1)
    throw badUsage(`shards ${wanted.join(' and ')} given, expected one shard for an index`)
  if (wanted.length === 1 && !known.includes(wanted[0]!)) {
    throw badUsage(`shard "${wanted[0]}" given, the cluster has ${known.join(', ')}`)
  }
  return wanted.length === 1 ? wanted : known
}

function isBefore(line: LogLine, from: TimeAddress | undefined): boolean {
  if (from?.kind === 'lamport') return line.lamport < from.lamport
  if (from?.kind === 'wall') return line.wallMs < from.wallMs
  return from?.kind === 'now'
}

function isAfter(line: LogLine, to: TimeAddress | undefined): boolean {
  if (to?.kind === 'lamport') return line.lamport > to.lamport
  if (to?.kind === 'wall') return line.wallMs > to.wallMs
  if (to?.kind === 'index') return line.index > to.index
  return to?.kind === 'start'
}
