/** The options that `varve log cat` and `varve log stat` share. */

import type { Command } from 'commander'
import { parseAddress } from '../connect.js'

export function addLogOptions(command: Command): Command {
  return command
    .option('--shard <name>', 'only the log of this shard')
    .option(
      '--from <time>',
      'begin there: an index (512, index:shard_0/512), lamport:81234, a time, "5m ago"',
    )
    .option('--to <time>', 'end there, inclusive')
    .option('--replica <address>', "read this replica's copy (default: the head's)", parseAddress)
    .option('--data <folder>', 'read the folder of a stopped cluster or node instead of asking a cluster')
}
