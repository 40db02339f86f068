/** `varve run FILE`: carries out a file of operations, in the order of the file. */

import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { wholeNumber } from '../arguments.js'
import { type BytesClient, type GlobalOptions, withClient } from '../connect.js'
import { badUsage, CommandError, errorLine, exitCodeOf } from '../exit-codes.js'
import { showProgress } from '../progress.js'
import { linesOf, MalformedLine, operationsOf, type RunOperation } from '../run-file.js'
import { RunReport, type RunResult } from '../run-report.js'
import { runInOrder } from '../run-schedule.js'
import { printable } from '../text.js'
import { consistencyOption } from './request-options.js'

interface RunOptions extends GlobalOptions {
  readonly concurrency: number
  readonly consistency?: 'strong' | 'weak' | 'session'
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description('carry out a file of operations: set KEY VALUE, get KEY, delete KEY, one a line')
    .argument('<file>', 'the file; - is stdin')
    .option(
      '--concurrency <n>',
      'operations under way at once; those of one key keep their order',
      wholeNumber(1, 65_536),
      1,
    )
    .addOption(consistencyOption(['strong', 'weak', 'session']))
    .addHelpText(
      'after',
      '\nWith -o ndjson each operation is answered by one object a line, in the order of the file.',
    )
    .action((file: string, _options, command: Command) => run(file, command.optsWithGlobals<RunOptions>()))
}

async function run(file: string, options: RunOptions): Promise<void> {
  const name = file === '-' ? 'stdin' : file
  if (file !== '-') await checkReadable(file)
  await withClient(options, async client => {
    const progress = await showProgress(name, await lineCount(file))
    const report = await RunReport.open(name, options.output)
    const source: AsyncIterable<Buffer> = file === '-' ? process.stdin : createReadStream(file)
    try {
      await runInOrder(operationsOf(source), options.concurrency, {
        keyOf: operation => operation.key.toString('latin1'),
        perform: operation => report.time(() => perform(client, operation, options)),
        finished: result => {
          progress.update(result.operation.line)
          return report.add(result)
        },
      })
    } catch (error) {
      throw withFileName(name, error)
    } finally {
      progress.stop()
      await report.end()
    }
  })
}

async function perform(
  client: BytesClient,
  operation: RunOperation,
  options: RunOptions,
): Promise<RunResult> {
  const { consistency } = options
  // A session's writes are acknowledged in the cluster's default mode.
  const write = consistency === undefined || consistency === 'session' ? {} : { consistency }
  try {
    if (operation.kind === 'get') {
      const at = await client.getEntry(operation.key, consistency === undefined ? {} : { consistency })
      return { operation, at, value: at.found ? at.value : undefined }
    }
    const at =
      operation.kind === 'set'
        ? await client.set(operation.key, operation.value, write)
        : await client.delete(operation.key, write)
    return { operation, at, value: undefined }
  } catch (error) {
    const may =
      error instanceof Error && 'outcome' in error && error.outcome === 'unknown'
        ? '; it may have been done'
        : ''
    const what = `line ${operation.line}: ${operation.kind} ${printable(operation.key)}`
    throw new CommandError(exitCodeOf(error), `${what}: ${errorLine(error)}${may}`)
  }
}

/** Names the file in an error of one of its lines. */
function withFileName(name: string, error: unknown): unknown {
  if (error instanceof MalformedLine) return badUsage(`${name}, line ${error.line}: ${error.message}`)
  if (error instanceof CommandError) return new CommandError(error.exitCode, `${name}, ${error.message}`)
  return error
}

async function checkReadable(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined)
    throw badUsage(`${file}: there is no such file, expected one with an operation a line`)
  if (found.isDirectory()) throw badUsage(`${file} is a folder, expected a file with an operation a line`)
  await access(file, constants.R_OK).catch(() => {
    throw badUsage(`${file}: it cannot be read by this user`)
  })
}

/** Lines of a file, for the bar; not counted where no bar is shown. */
async function lineCount(file: string): Promise<number> {
  if (file === '-' || !process.stderr.isTTY) return 0
  let lines = 0
  for await (const _line of linesOf(createReadStream(file))) lines++
  return lines
}
