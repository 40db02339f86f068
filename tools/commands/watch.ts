/** `varve watch [PREFIX]`: changes as they are committed, until Ctrl-C. */

import type { Command } from 'commander'
import type { WatchEvent } from '../../src/client/watch.js'
import { wholeNumber } from '../arguments.js'
import { type GlobalOptions, withClient } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { type LogLine, lineObject, lineText } from '../log-line.js'
import { listPrinter, note } from '../output.js'
import { parseTimeAddress } from '../time-address.js'

interface WatchOptions extends GlobalOptions {
  readonly from: string
  readonly tentative?: boolean
  readonly limit?: number
}

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('print changes as they are committed, until Ctrl-C')
    .argument('[prefix]', 'only keys that begin so')
    .option('--from <time>', 'begin at start, now or an index of a shard (index:shard_0/512)', 'now')
    .option('--tentative', 'tell of entries before they are committed too, marked; they may still be undone')
    .option('--limit <n>', 'end after so many changes', wholeNumber(1))
    .action((prefix: string | undefined, _options, command: Command) =>
      watch(prefix, command.optsWithGlobals<WatchOptions>()),
    )
}

async function watch(prefix: string | undefined, options: WatchOptions): Promise<void> {
  const from = firstIndexes(options.from)
  const printer = listPrinter<LogLine>(options.output, lineObject, line => lineText(line))
  await withClient(options, async client => {
    const changes = client.watch({
      ...(prefix === undefined ? {} : { prefix: Buffer.from(prefix, 'utf8') }),
      ...(from === undefined ? {} : { from }),
      tentative: options.tentative === true,
    })
    const end = () => void changes.return()
    process.once('SIGINT', end).once('SIGTERM', end)
    if (process.stderr.isTTY)
      changes.ready.then(
        () => note('watching; Ctrl-C ends it'),
        () => {},
      )
    let left = options.limit ?? Number.POSITIVE_INFINITY
    for await (const change of changes) {
      await printer.add(lineOfChange(change))
      if (--left === 0) break
    }
  })
  await printer.end()
}

/** Where the client is to begin; undefined: with what comes from now on. */
function firstIndexes(text: string) {
  const from = parseTimeAddress(text, '--from', Date.now())
  if (from.kind === 'now') return undefined
  // A token that names no shard stands before everything.
  if (from.kind === 'start') return { shards: {}, stamp: { lamport: 0, wallMs: 0 } }
  if (from.kind === 'index' && from.shard !== undefined) return { [from.shard]: from.index }
  throw badUsage(
    `--from: "${text}" given, watch begins at start, now or an index of a shard (index:shard_0/512)`,
  )
}

function lineOfChange(change: WatchEvent<Buffer, Buffer>): LogLine {
  const { type, value, ...rest } = change
  return {
    ...rest,
    operation: type,
    value: value ?? Buffer.alloc(0),
    clientId: Buffer.alloc(0),
    sequence: 0,
    refused: false,
    record: 0,
  }
}
