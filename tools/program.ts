/** The `varve` command: its sub-commands, and how it ends. */

import { Command, CommanderError } from 'commander'
import { versionOf } from '../src/version.js'
import { addBlame } from './commands/blame.js'
import { addDelete } from './commands/delete.js'
import { addDiff } from './commands/diff.js'
import { addDown } from './commands/down.js'
import { addExperiment } from './commands/experiment.js'
import { addExperimentCompare } from './commands/experiment-compare.js'
import { addFork } from './commands/fork.js'
import { addGet } from './commands/get.js'
import { addHistory } from './commands/history.js'
import { addLogCat } from './commands/log-cat.js'
import { addLogExport } from './commands/log-export.js'
import { addLogImport } from './commands/log-import.js'
import { addLogOrphans } from './commands/log-orphans.js'
import { addLogResubmit } from './commands/log-resubmit.js'
import { addLogStat } from './commands/log-stat.js'
import { addLogVerify } from './commands/log-verify.js'
import { addNodeJoin } from './commands/node-join.js'
import { addNodeKill } from './commands/node-kill.js'
import { addNodeLeave } from './commands/node-leave.js'
import { addNodeList } from './commands/node-list.js'
import { addNodeStart } from './commands/node-start.js'
import { addPlot, plotArguments } from './commands/plot.js'
import { addReplay } from './commands/replay.js'
import { addReplicaDiff } from './commands/replica-diff.js'
import { addRestore } from './commands/restore.js'
import { addRetentionClear, addRetentionSet, addRetentionShow } from './commands/retention.js'
import { addRun } from './commands/run.js'
import { addScan } from './commands/scan.js'
import { addSet } from './commands/set.js'
import { addShardRecover } from './commands/shard-recover.js'
import { addStatus } from './commands/status.js'
import { addTagAdd, addTagList, addTagRemove } from './commands/tag.js'
import { addUp } from './commands/up.js'
import { addWatch } from './commands/watch.js'
import { addGlobalOptions } from './connect.js'
import { ExitCode, errorLine, exitCodeOf } from './exit-codes.js'

const EXIT_CODES_HELP = `
Exit codes: 0 done, 1 the answer is no, 2 bad usage, 3 unavailable.`

/** The command with all its sub-commands. Nothing heavy is loaded before one of them runs. */
export function createProgram(): Command {
  const program = new Command('varve')
    .description('A replicated key-value store whose log is the database.')
    .version(versionOf().version, '-V, --version')
    .helpOption('-h, --help', 'help for a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(`${commanderLine(text)}\n`) })
    .exitOverride()
    .addHelpText('after', EXIT_CODES_HELP)
  addGlobalOptions(program)
  addUp(program)
  addDown(program)
  addStatus(program)
  addSet(program)
  addGet(program)
  addDelete(program)
  addScan(program)
  addWatch(program)
  addHistory(program)
  addDiff(program)
  addBlame(program)
  addReplay(program)
  addRestore(program)
  const tag = program.command('tag').description('name moments: a name is a time wherever one is asked for')
  addTagAdd(tag)
  addTagList(tag)
  addTagRemove(tag)
  const retention = program.command('retention').description('show and set how long the past is kept')
  addRetentionShow(retention)
  addRetentionSet(retention)
  addRetentionClear(retention)
  addRun(program)
  addExperimentCompare(addExperiment(program))
  addPlot(program)
  addFork(program)
  const node = program.command('node').description('list, start, end and move nodes')
  addNodeList(node)
  addNodeStart(node)
  addNodeKill(node)
  addNodeLeave(node)
  addNodeJoin(node)
  const shard = program.command('shard').description('change a shard')
  addShardRecover(shard)
  const replica = program.command('replica').description('look at the replicas of the shards')
  addReplicaDiff(replica)
  const log = program
    .command('log')
    .description('read the logs of a running cluster, or of a stopped one with --data')
  addLogCat(log)
  addLogStat(log)
  addLogVerify(log)
  addLogOrphans(log)
  addLogResubmit(log)
  addLogExport(log)
  addLogImport(log)
  return program
}

/** Runs the command line; the promise is of its exit code. Says on stderr, in one line, why it is not 0. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    process.exitCode = ExitCode.DONE
    await createProgram().parseAsync(plotArguments(argv))
    return Number(process.exitCode ?? ExitCode.DONE)
  } catch (error) {
    // commander has said it already; what it calls an error of ours is always one of usage.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.DONE : ExitCode.BAD_USAGE
    if (process.env.VARVE_DEBUG) console.error(error)
    else process.stderr.write(`varve: ${errorLine(error)}\n`)
    return exitCodeOf(error)
  }
}

/** commander's message as one line of ours. */
function commanderLine(text: string): string {
  return `varve: ${text
    .replace(/^error: /, '')
    .trim()
    .replace(/\s*\n\s*/g, ' ')}`
}
