#!/usr/bin/env node
/** `npm run bench`: see docs/benchmark.md. */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CommanderError } from 'commander'
import { ExitCode, errorLine, exitCodeOf, unavailable } from '../exit-codes.js'
import { print, printObject } from '../output.js'
import { Cleanup } from './cleanup.js'
import { type BenchOptions, createCommand, settingsOf } from './options.js'

process.exit(await main(process.argv))

async function main(argv: readonly string[]): Promise<number> {
  try {
    const command = createCommand()
    await command.parseAsync(argv)
    await run(settingsOf(command))
    return ExitCode.DONE
  } catch (error) {
    // commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.DONE : ExitCode.BAD_USAGE
    if (process.env.VARVE_DEBUG) console.error(error)
    else process.stderr.write(`bench: ${errorLine(error)}\n`)
    return exitCodeOf(error)
  }
}

async function run(options: BenchOptions): Promise<void> {
  checkBuilt()
  const cleanup = new Cleanup(options.under)
  if (options.scenario === 'memory') {
    const { memoryText, runMemory } = await import('./scenario-memory.js')
    const report = await runMemory(options, cleanup)
    return printReport(options, report, memoryText)
  }
  if (options.scenario === 'restart') {
    const { restartText, runRestart } = await import('./scenario-restart.js')
    const report = await runRestart(options, cleanup)
    return printReport(options, report, restartText)
  }
  if (options.scenario === 'failover') {
    const { failoverText, runFailover } = await import('./scenario-failover.js')
    const report = await runFailover(options, cleanup)
    return printReport(options, report, failoverText)
  }
  if (options.scenario === 'catch-up') {
    const { catchUpText, runCatchUp } = await import('./scenario-catch-up.js')
    const report = await runCatchUp(options, cleanup)
    return printReport(options, report, catchUpText)
  }
  if (options.scenario === 'history') {
    const { historyText, runHistory } = await import('./scenario-history.js')
    const report = await runHistory(options, cleanup)
    return printReport(options, report, historyText)
  }
  const [{ runTable }, { reportObject, reportText }] = await Promise.all([
    import('./run-table.js'),
    import('./report.js'),
  ])
  const report = await runTable(options, cleanup)
  if (options.output === 'json') await printObject('json', reportObject(report), () => '')
  else await print(await reportText(report))
}

async function printReport<T extends object>(
  options: BenchOptions,
  report: T,
  toText: (report: T) => Promise<string>,
): Promise<void> {
  if (options.output === 'json') await printObject('json', report, () => '')
  else await print(await toText(report))
}

/** The cluster's processes are started by file name: say so at once where they are not there. */
function checkBuilt(): void {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  for (const name of ['node-main', 'coordinator-main']) {
    const file = fileURLToPath(new URL(`../../src/node/${name}.${extension}`, import.meta.url))
    if (!existsSync(file)) throw unavailable(`${file} is missing: \`npm run build\` makes it`)
  }
}
