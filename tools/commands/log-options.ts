/** The options that `varve log cat`, `stat` and `verify` share. */

import { type Command, Option } from 'commander'
import { parseAddress } from '../connect.js'
import type { MomentContext } from '../log-selection.js'
import type { LogOptions } from '../log-source.js'
import { TIME_HELP } from '../past/past-options.js'

/** `--shard`, `--from` and `--to`, and those of `addSourceOptions`. */
export function addLogOptions(command: Command): Command {
  command
    .option('--shard <name>', 'only the log of this shard')
    .option('--from <time>', `begin there: ${TIME_HELP}`)
    .option('--to <time>', 'end there, inclusive')
  return addSourceOptions(command)
}

/** Whose copy of the logs is read. */
export function addSourceOptions(command: Command): Command {
  return command
    .option('--replica <address>', "read this replica's copy (default: the head's)", parseAddress)
    .addOption(
      new Option(
        '--data <folder>',
        'read the folder of a stopped cluster or node instead of asking a cluster',
      ),
    )
    .option('--skip-damaged', 'with --data: say where the log is damaged, and go on behind it')
}

/** What is needed to find moments in the logs that the options name. */
export function momentContext(options: LogOptions, follows = false): MomentContext {
  return {
    nowMs: Date.now(),
    follows,
    tag: async (name, option) => {
      const { withPast } = await import('../past/past-source.js')
      const { badUsage } = await import('../exit-codes.js')
      const tags = await withPast(options, past => past.tags())
      const found = tags.find(each => each.name === name)
      if (found !== undefined) return found.moment
      const known = tags.map(each => each.name).join(', ')
      throw badUsage(
        `${option}: no tag is called "${name}": ${known === '' ? 'there are none' : `there are ${known}`}`,
      )
    },
  }
}
