/** `varve log export`: a part of one shard's log as a file that `varve log import` reads. */

import { existsSync } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { EntryFlag } from '../../src/log/entry.js'
import { parseAddress } from '../connect.js'
import { badUsage } from '../exit-codes.js'
import { SliceWriter } from '../log-slice.js'
import { type LogOptions, type LogSource, linesIn, openLogSource, recordAt } from '../log-source.js'
import { note, print } from '../output.js'
import { TIME_HELP, timeOf } from '../past/past-options.js'
import { type PastSource, withPast } from '../past/past-source.js'
import { plural } from '../text.js'
import type { TimeAddress } from '../time-address.js'

/** So many characters are gathered before they are written. */
const BUFFER_LENGTH = 262_144

interface ExportOptions extends LogOptions {
  readonly prefix?: string
  readonly out?: string
}

/** Indexes, both inclusive; nothing where `to` is below `from`. */
interface Slice {
  readonly shard: string
  readonly from: number
  readonly to: number
}

export function addLogExport(log: Command): void {
  log
    .command('export')
    .description('write a part of one log to a file, as JSON lines that `varve log import` reads')
    .option('--shard <name>', 'whose log; may be left out where there is one shard')
    .option('--from <time>', `begin there: ${TIME_HELP} (default: the first entry)`)
    .option('--to <time>', 'end there, inclusive (default: the newest that is committed)')
    .option('--prefix <text>', 'only entries of keys that begin so')
    .option('--out <file>', 'where to; default: stdout')
    .option('--replica <address>', "read this replica's copy (default: the head's)", parseAddress)
    .addOption(
      new Option(
        '--data <folder>',
        'read the folder of a stopped cluster or node instead of asking a cluster',
      ),
    )
    .action((_options, command: Command) => exportLog(command.optsWithGlobals<ExportOptions>()))
}

async function exportLog(options: ExportOptions): Promise<void> {
  if (options.out !== undefined && existsSync(options.out)) {
    throw badUsage(`--out: ${options.out} is there already: give another name, or remove it`)
  }
  const slice = await withPast(options, past => sliceOf(past, options))
  const source = await openLogSource({ ...options, shard: slice.shard })
  try {
    const whole = { ...slice, from: await startOfBatch(source, slice) }
    const { logId } = await source.logInfo(slice.shard)
    const out = options.out === undefined ? undefined : await WholeFile.open(options.out)
    try {
      const entries = await writeSlice(source, logId, whole, options.prefix ?? '', text =>
        out === undefined ? print(text) : out.write(text),
      )
      await out?.end()
      const range = `${slice.shard}/${whole.from} to ${whole.to}`
      note(
        `${plural(entries, 'entry', 'entries')} of ${range}${out === undefined ? '' : ` written to ${options.out}`}`,
      )
    } catch (error) {
      await out?.giveUp()
      throw error
    }
  } finally {
    await source.close()
  }
}

async function writeSlice(
  source: LogSource,
  logId: string,
  { shard, from, to }: Slice,
  prefix: string,
  write: (text: string) => Promise<void>,
): Promise<number> {
  const writer = new SliceWriter()
  const start = Buffer.from(prefix)
  await write(writer.header({ shard, logId, fromIndex: from, toIndex: to, prefix }))
  if (to >= from) {
    for await (const line of linesIn(source, shard, from, to)) {
      const text = writer.entry(line, line.key.subarray(0, start.length).equals(start))
      if (text !== '') await write(text)
    }
  }
  const { entries } = writer
  await write(writer.end())
  return entries
}

/** What the options mean in the log of the shard. */
async function sliceOf(past: PastSource, options: ExportOptions): Promise<Slice> {
  const from: TimeAddress = options.from === undefined ? { kind: 'start' } : timeOf(options.from, '--from')
  const to = timeOf(options.to, '--to')
  const shard = shardOf(past, options.shard, [from, to])
  const end = await past.resolve(within(to, shard), '--to', [shard])
  return { shard, from: await fromIndex(past, shard, from), to: end.cuts[shard]!.index }
}

function shardOf(past: PastSource, given: string | undefined, addresses: readonly TimeAddress[]): string {
  const named = addresses.flatMap(each =>
    each.kind === 'index' && each.shard !== undefined ? [each.shard] : [],
  )
  const shard = given ?? named[0] ?? (past.shards.length === 1 ? past.shards[0] : undefined)
  const all = past.shards.join(', ')
  if (shard === undefined) throw badUsage(`--shard: nothing given, the log of one shard is exported: ${all}`)
  if (!past.shards.includes(shard)) throw badUsage(`--shard: "${shard}" given, the cluster has ${all}`)
  return shard
}

/** An index without a shard counts in the one that is exported. */
function within(address: TimeAddress, shard: string): TimeAddress {
  return address.kind === 'index' ? { shard, ...address } : address
}

/** The first index that is not before the moment. */
async function fromIndex(past: PastSource, shard: string, given: TimeAddress): Promise<number> {
  if (given.kind === 'start') return 1
  const address = within(given, shard)
  if (address.kind === 'index' && address.shard === shard) return Math.max(1, address.index)
  const { moment } = await past.resolve(address, '--from', [shard]).catch(error => {
    if (isBeforeAll(error)) return { moment: { lamport: 0 } }
    throw error
  })
  // All that is before it lies up to the moment just before.
  const before: TimeAddress =
    'wallMs' in moment
      ? { kind: 'wall', wallMs: Math.max(0, moment.wallMs - 1) }
      : { kind: 'lamport', lamport: Math.max(0, moment.lamport - 1) }
  try {
    const { cuts } = await past.resolve(before, '--from', [shard])
    return cuts[shard]!.index + 1
  } catch (error) {
    if (isBeforeAll(error)) return 1
    throw error
  }
}

/** Whoever begins before the first entry begins at the first one. */
function isBeforeAll(error: unknown): boolean {
  return error instanceof Error && /before the first entry/.test(error.message)
}

/** A batch is exported as a whole or not at all; where the log is kept from a base, what it still keeps is taken. */
async function startOfBatch(source: LogSource, { shard, from }: Slice): Promise<number> {
  const { baseIndex } = await source.logInfo(shard)
  const first = from === 1 ? baseIndex + 1 : from
  const record = await recordAt(source, shard, first)
  if (record === undefined) return first
  let start = first
  while (
    start > record.firstIndex &&
    (record.flags(start - 1 - record.firstIndex) & EntryFlag.BATCH_CONTINUES) !== 0
  )
    start -= 1
  return start
}

/** A file that is there as a whole or not at all. */
class WholeFile {
  readonly #path: string
  readonly #handle: FileHandle
  #parts: string[] = []
  #length = 0

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  static async open(path: string): Promise<WholeFile> {
    return new WholeFile(path, await open(`${path}.partial`, 'w'))
  }

  async write(text: string): Promise<void> {
    this.#parts.push(text)
    this.#length += text.length
    if (this.#length >= BUFFER_LENGTH) await this.#flush()
  }

  async end(): Promise<void> {
    await this.#flush()
    await this.#handle.close()
    await rename(`${this.#path}.partial`, this.#path)
  }

  async giveUp(): Promise<void> {
    await this.#handle.close().catch(() => {})
    await rm(`${this.#path}.partial`, { force: true })
  }

  async #flush(): Promise<void> {
    const text = this.#parts.join('')
    this.#parts = []
    this.#length = 0
    await this.#handle.writeFile(text)
  }
}
