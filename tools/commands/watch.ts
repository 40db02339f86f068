/** `varve watch [PREFIX]`: changes as they are committed, from now or from a moment on, until Ctrl-C. */

import type { Command } from 'commander'
import type { WatchEvent } from '../../src/client/watch.js'
import { wholeNumber } from '../arguments.js'
import { type BytesClient, type GlobalOptions, withClient } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { type LogLine, lineObject, lineText } from '../log-line.js'
import { listPrinter, note } from '../output.js'
import { momentText, noteMoments } from '../past/moment-text.js'
import { atOf, resolveOnline } from '../past/online-moment.js'
import { TIME_HELP } from '../past/past-options.js'
import { parseTimeAddress, type TimeAddress } from '../time-address.js'

interface WatchOptions extends GlobalOptions {
  readonly from: string
  readonly tentative?: boolean
  readonly snapshot?: boolean
  readonly limit?: number
}

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('print changes as they are committed, until Ctrl-C')
    .argument('[prefix]', 'only keys that begin so')
    .option('--from <time>', `first all that came after: start, ${TIME_HELP}`, 'now')
    .option(
      '--snapshot',
      'where retention dropped what --from asks for, begin with what was there at the horizon',
    )
    .option('--tentative', 'tell of entries before they are committed too, marked; they may still be undone')
    .option('--limit <n>', 'end after so many changes', wholeNumber(1))
    .action((prefix: string | undefined, _options, command: Command) =>
      watch(prefix, command.optsWithGlobals<WatchOptions>()),
    )
}

async function watch(prefix: string | undefined, options: WatchOptions): Promise<void> {
  const address = parseTimeAddress(options.from, '--from', Date.now())
  const printer = listPrinter<WatchLine>(options.output, watchObject, watchText)
  await withClient(options, async client => {
    const from = await watchFrom(client, address, options)
    const changes = client.watch({
      ...(prefix === undefined ? {} : { prefix: Buffer.from(prefix, 'utf8') }),
      ...(from === undefined ? {} : { from }),
      tentative: options.tentative === true,
      snapshot: options.snapshot === true,
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

/** A change, or with `snapshot` what a key held at the horizon. */
interface WatchLine extends LogLine {
  readonly snapshot: boolean
}

/** Where the client is to begin; undefined: with what comes from now on. */
async function watchFrom(client: BytesClient, address: TimeAddress, options: WatchOptions) {
  if (address.kind === 'now' || address.kind === 'start') return atOf(address)
  if (address.kind === 'index') return await fromIndex(client, address, options)
  // What was dropped is told of by the watch itself.
  if (options.snapshot) return atOf(address)
  const at = await resolveOnline(client, address, '--from')
  if (options.output === 'table') noteMoments(momentText(at, 'after'))
  return firstIndexes(at.cuts)
}

/** That entry is the first of its shard; of the others, what came after the entry before it. */
async function fromIndex(
  client: BytesClient,
  address: Extract<TimeAddress, { kind: 'index' }>,
  options: WatchOptions,
) {
  const shards = client.shardMap().shards.map(({ name }) => name)
  const shard = address.shard ?? (shards.length === 1 ? shards[0]! : '')
  if (!shards.includes(shard)) {
    const given = `--from: "${options.from}" given, expected an index of a shard`
    throw badUsage(`${given}, index:SHARD/N, of ${shards.join(', ')}`)
  }
  if (address.index <= 1) return atOf({ kind: 'start' })
  const before: TimeAddress = { kind: 'index', shard, index: address.index - 1 }
  if (options.snapshot) return atOf(before)
  const { cuts } = await resolveOnline(client, before, '--from')
  return { ...firstIndexes(cuts), [shard]: address.index }
}

function firstIndexes(cuts: Readonly<Record<string, { readonly index: number }>>): Record<string, number> {
  return Object.fromEntries(Object.entries(cuts).map(([shard, { index }]) => [shard, index + 1]))
}

function watchObject({ snapshot, ...line }: WatchLine): object {
  return snapshot ? { ...lineObject(line), snapshot } : lineObject(line)
}

function watchText(line: WatchLine): string {
  return line.snapshot ? `${lineText(line)}  (held at the horizon)` : lineText(line)
}

function lineOfChange(change: WatchEvent<Buffer, Buffer>): WatchLine {
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
