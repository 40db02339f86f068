/** Reads what `log-slice.ts` writes, and refuses what is not that: with the line, what it holds and what was expected. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Limits } from '../src/log/entry.js'
import { LAMPORT_MAX } from '../src/log/stamp.js'
import { badUsage, type CommandError } from './exit-codes.js'
import { type LogLine, OPERATION_NAMES, type OperationName } from './log-line.js'
import { SLICE_FORMAT, SLICE_VERSION, type SliceEntry, type SliceHeader } from './log-slice.js'
import { plural, shorten } from './text.js'

/** A line has one entry: a value of 1 MiB as base64 beside its escaped text, at worst six characters a byte. */
const LINE_SIZE_BYTES_MAX = 16 * 1_048_576

const NOTHING = Buffer.alloc(0)

type Fields = Readonly<Record<string, unknown>>

/**
 * The header, then the entries, in order. The end line is checked when it comes, so whoever acts on entries reads the
 * file to its end first. Throws bad usage that begins with `FILE:LINE`; ENOENT and the like.
 */
export async function* readSlice(file: string): AsyncGenerator<SliceHeader | SliceEntry, void, void> {
  const digest = createHash('sha256')
  let header: SliceHeader | undefined
  let entries = 0
  let last = 0
  let number = 0
  let isOver = false
  for await (const bytes of linesOf(file)) {
    number += 1
    const at = new Place(file, number)
    if (isOver) throw at.error('something behind the end line', 'nothing more')
    const fields = at.parse(bytes)
    if (header === undefined) {
      header = headerOf(fields, at)
      yield header
    } else if (fields.end !== undefined) {
      checkEnd(fields, at, entries, digest.copy().digest('hex'))
      isOver = true
    } else {
      const entry = entryOf(fields, at, header, last)
      last = entry.line.index
      entries += 1
      yield entry
    }
    digest.update(bytes).update('\n')
  }
  if (isOver) return
  const found = number === 0 ? 'an empty file' : `the file ends after ${plural(entries, 'entry', 'entries')}`
  throw new Place(file, number + 1).error(found, 'an end line: the file was cut off, export it again')
}

/** True for the first item of a slice. */
export function isHeader(item: SliceHeader | SliceEntry): item is SliceHeader {
  return 'logId' in item
}

class Place {
  readonly #file: string
  readonly #line: number

  constructor(file: string, line: number) {
    this.#file = file
    this.#line = line
  }

  error(given: string, expected: string): CommandError {
    return badUsage(`${this.#file}:${this.#line}: ${given}, expected ${expected}`)
  }

  parse(bytes: Buffer): Fields {
    try {
      const value: unknown = JSON.parse(bytes.toString('utf8'))
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
    } catch {
      // Said below.
    }
    throw this.error(`${shorten(JSON.stringify(bytes.toString('utf8')), 60)} given`, 'a JSON object')
  }

  whole(fields: Fields, name: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = fields[name]
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
    throw this.#wrong(name, value, `a whole number from ${least}${most < 2 ** 53 - 1 ? ` to ${most}` : ''}`)
  }

  text(fields: Fields, name: string): string {
    const value = fields[name]
    if (typeof value === 'string') return value
    throw this.#wrong(name, value, 'a text')
  }

  flag(fields: Fields, name: string): boolean {
    const value = fields[name]
    if (value === undefined || typeof value === 'boolean') return value === true
    throw this.#wrong(name, value, 'true or false')
  }

  /** A key or value: as base64 where that is given, else the text's UTF-8. */
  bytes(fields: Fields, name: string, least: number, most: number): Buffer {
    const base64 = fields[`${name}Base64`]
    const bytes =
      base64 === undefined ? Buffer.from(this.text(fields, name), 'utf8') : this.#base64(name, base64)
    if (bytes.length >= least && bytes.length <= most) return bytes
    throw this.#wrong(name, `${bytes.length} bytes`, `${least} to ${most} bytes`)
  }

  #base64(name: string, value: unknown): Buffer {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : NOTHING
    if (typeof value === 'string' && bytes.toString('base64') === value) return bytes
    throw this.#wrong(`${name}Base64`, value, 'base64')
  }

  #wrong(name: string, value: unknown, expected: string): CommandError {
    const given = value === undefined ? 'nothing' : shorten(JSON.stringify(value), 60)
    return this.error(`${name}: ${given} given`, expected)
  }
}

function headerOf(fields: Fields, at: Place): SliceHeader {
  const { format, version } = fields
  if (format !== SLICE_FORMAT) {
    throw at.error(
      'no header of an exported log',
      `{"format":"${SLICE_FORMAT}",...} as \`varve log export\` writes it`,
    )
  }
  if (version !== SLICE_VERSION) {
    throw at.error(`version ${JSON.stringify(version)}`, `${SLICE_VERSION}: use a newer varve`)
  }
  const logId = at.text(fields, 'logId')
  if (!/^[0-9a-f]{32}$/.test(logId))
    throw at.error(`logId: ${JSON.stringify(logId)} given`, '32 hexadecimal digits')
  return {
    shard: at.text(fields, 'shard'),
    logId,
    fromIndex: at.whole(fields, 'fromIndex', 1),
    toIndex: at.whole(fields, 'toIndex', 0),
    prefix: fields.prefix === undefined ? '' : at.text(fields, 'prefix'),
  }
}

function entryOf(fields: Fields, at: Place, header: SliceHeader, last: number): SliceEntry {
  const operation = fields.operation as OperationName
  if (!OPERATION_NAMES.includes(operation)) {
    throw at.error(`operation: ${JSON.stringify(operation)} given`, OPERATION_NAMES.slice(1).join(', '))
  }
  const isData = operation === 'set' || operation === 'delete'
  const hasValue = operation === 'set' || fields.value !== undefined
  const clientId = fields.clientId === undefined ? '0'.repeat(32) : at.text(fields, 'clientId')
  if (!/^[0-9a-f]{32}$/.test(clientId)) throw at.error(`clientId: ${clientId} given`, '32 hexadecimal digits')
  const actor = fields.actor === undefined ? '' : at.text(fields, 'actor')
  if (Buffer.byteLength(actor) > Limits.actorSizeBytesMax) {
    throw at.error(`actor: ${Buffer.byteLength(actor)} bytes given`, `at most ${Limits.actorSizeBytesMax}`)
  }
  const line: LogLine = {
    shard: header.shard,
    index: at.whole(fields, 'index', Math.max(header.fromIndex, last + 1), header.toIndex),
    epoch: at.whole(fields, 'epoch', 0),
    lamport: at.whole(fields, 'lamport', 1, LAMPORT_MAX),
    wallMs: at.whole(fields, 'wallMs', 0),
    committed: at.flag(fields, 'committed'),
    operation,
    key: isData || fields.key !== undefined ? at.bytes(fields, 'key', 1, Limits.keySizeBytesMax) : NOTHING,
    value: hasValue ? at.bytes(fields, 'value', 0, Limits.valueSizeBytesMax) : NOTHING,
    previous: fields.previous === undefined ? 0 : at.whole(fields, 'previous', 0),
    clientId: Buffer.from(clientId, 'hex'),
    sequence: fields.sequence === undefined ? 0 : at.whole(fields, 'sequence', 0),
    actor,
    batchContinues: at.flag(fields, 'batchContinues'),
    refused: at.flag(fields, 'refused'),
    record: fields.record === undefined ? 0 : at.whole(fields, 'record', 0),
  }
  return { line, batch: fields.batch === undefined ? 0 : at.whole(fields, 'batch', 1, line.index) }
}

function checkEnd(fields: Fields, at: Place, entries: number, sha256: string): void {
  if (fields.end !== SLICE_FORMAT)
    throw at.error(`end: ${JSON.stringify(fields.end)} given`, `"${SLICE_FORMAT}"`)
  if (fields.entries !== entries) {
    throw at.error(
      `an end line for ${JSON.stringify(fields.entries)} entries after ${entries}`,
      'the same number',
    )
  }
  if (fields.sha256 === sha256) return
  throw at.error(
    'an end line whose digest is not that of the lines',
    'a file as it was exported: it was changed',
  )
}

/** The lines without their ends; a last one without an end too. */
async function* linesOf(file: string): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, at)])
      rest = []
      restBytes = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    rest.push(chunk.subarray(from))
    restBytes += chunk.length - from
    if (restBytes > LINE_SIZE_BYTES_MAX) {
      throw badUsage(`${file}: a line of more than ${LINE_SIZE_BYTES_MAX} bytes: expected an exported log`)
    }
  }
  if (restBytes > 0) yield Buffer.concat(rest)
}
