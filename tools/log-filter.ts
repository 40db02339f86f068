/** Which entries of a log are wanted, by what they say: key, operation, actor, client. */

import { InvalidArgumentError } from 'commander'
import type { LogRecord } from '../src/log/record-codec.js'
import { badUsage } from './exit-codes.js'
import { globPattern } from './glob.js'
import { OPERATION_NAMES } from './log-line.js'

/** The options as given. */
export interface FilterOptions {
  readonly prefix?: string
  /** A pattern with `*` and `?`. */
  readonly key?: string
  /** Numbers of operations. */
  readonly op?: ReadonlySet<number>
  readonly actor?: string | undefined
  /** 32 hexadecimal digits, or the first of them. */
  readonly client?: string
}

/** Whether the entry in a slot of a record is wanted. */
export type EntryFilter = (record: LogRecord, slot: number) => boolean

/** What the options leave; undefined where they leave everything. Throws bad-usage errors. */
export function filterOf({ prefix, key, op, actor, client }: FilterOptions): EntryFilter | undefined {
  const filters: EntryFilter[] = []
  if (op !== undefined) filters.push((record, slot) => op.has(record.operation(slot)))
  if (prefix !== undefined && prefix !== '') {
    const bytes = Buffer.from(prefix, 'utf8')
    filters.push((record, slot) => {
      const start = record.keyStart(slot)
      return (
        record.keyLength(slot) >= bytes.length &&
        bytes.compare(record.bytes, start, start + bytes.length) === 0
      )
    })
  }
  if (key !== undefined) {
    const pattern = globPattern(key)
    filters.push((record, slot) => pattern.test(record.key(slot).toString('latin1')))
  }
  if (actor !== undefined) filters.push((record, slot) => record.clientActor(record.client(slot)) === actor)
  if (client !== undefined) {
    const digits = clientDigits(client)
    filters.push((record, slot) => record.clientId(record.client(slot)).toString('hex').startsWith(digits))
  }
  if (filters.length === 0) return undefined
  return (record, slot) => filters.every(filter => filter(record, slot))
}

/** Reads a list of operations, parted by commas. */
export function operations(text: string): ReadonlySet<number> {
  const names: readonly string[] = OPERATION_NAMES
  const found = text.split(',').map(name => names.indexOf(name.trim().toLowerCase()))
  if (found.every(number => number > 0)) return new Set(found)
  throw new InvalidArgumentError(`Allowed are ${names.slice(1).join(', ')}, parted by commas.`)
}

function clientDigits(given: string): string {
  const digits = given.toLowerCase().replaceAll('-', '')
  if (/^[0-9a-f]{4,32}$/.test(digits)) return digits
  throw badUsage(
    `--client: "${given}" given, expected the 32 hexadecimal digits of a client's id, or at least the first 4`,
  )
}
