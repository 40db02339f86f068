/** The options that commands of the past share, and how they are read. */

import { type Command, Option } from 'commander'
import { parseAddress } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { parseTimeAddress, type TimeAddress } from '../time-address.js'
import type { PastOptions } from './past-source.js'

/** What is said of a time in `--help`. */
export const TIME_HELP = 'RFC 3339, epoch ms, "5m ago", lamport:N, index:shard_0/N, a tag or now'

/** `--data` and `--replica`. */
export function addDataOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--data <folder>',
        'read the folder of a stopped cluster or node instead of asking a cluster',
      ),
    )
    .option('--replica <address>', 'with --data: read the folder of this node', parseAddress)
}

/** `--at`, and the above. */
export function addPastOptions(command: Command): Command {
  return addDataOptions(command.option('--at <time>', `as it was then: ${TIME_HELP}`))
}

/** What was given, or now. */
export function timeOf(text: string | undefined, option: string): TimeAddress {
  return text === undefined ? { kind: 'now' } : parseTimeAddress(text, option, Date.now())
}

/** Throws bad usage for `--replica` without a folder: every replica of a running cluster gives the same answer. */
export function refuseLoneReplica({ data, replica }: PastOptions): void {
  if (data === undefined && replica !== undefined) {
    throw badUsage('--replica given without --data, which it belongs to')
  }
}
