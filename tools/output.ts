/**
 * What commands print on stdout, in three forms: `table` for people, `json` (one document) and `ndjson` (one
 * object a line) for programs. Everything that is not the answer goes to stderr.
 */

import { once } from 'node:events'
import type { Table } from 'cli-table3'

/** The forms of output. */
export const OUTPUT_FORMATS = ['table', 'json', 'ndjson'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** Writes to stdout and waits while the reader is slower than the writer. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** Writes one line to stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Prints one object: `lines` for people, the object for programs (indented only on a terminal). */
export async function printObject(format: OutputFormat, object: object, lines: () => string): Promise<void> {
  if (format === 'table') return print(ensureNewline(lines()))
  const indent = format === 'json' && process.stdout.isTTY ? 2 : undefined
  return print(`${JSON.stringify(object, null, indent)}\n`)
}

/** A list that is printed as it comes, without ever being held as a whole. */
export interface ListPrinter<T> {
  add(item: T): Promise<void>
  /** Ends the list. Must be called once, after the last item. */
  end(): Promise<void>
}

/**
 * A list of items of unknown length. `json` prints one array with one element a line. `toLine` is for people,
 * `header` stands above it; both only used with `table`.
 */
export function listPrinter<T>(
  format: OutputFormat,
  toObject: (item: T) => object,
  toLine: (item: T) => string,
): ListPrinter<T> {
  if (format === 'table') {
    return { add: item => print(ensureNewline(toLine(item))), end: async () => {} }
  }
  if (format === 'ndjson') {
    return { add: item => print(`${JSON.stringify(toObject(item))}\n`), end: async () => {} }
  }
  let items = 0
  return {
    add: item => print(`${items++ === 0 ? '[\n' : ',\n'}  ${JSON.stringify(toObject(item))}`),
    end: () => print(items === 0 ? '[]\n' : '\n]\n'),
  }
}

/** Text in columns under a header, without lines between them. Numbers are given as text already. */
export async function tableOf(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  rightAligned: readonly string[] = [],
): Promise<string> {
  const { default: CliTable } = await import('cli-table3')
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  }
  const table: Table = new CliTable({
    head: [...header],
    chars: none,
    colAligns: header.map(name => (rightAligned.includes(name) ? 'right' : 'left')),
    style: { 'padding-left': 0, 'padding-right': 0, head: process.stdout.isTTY ? ['bold'] : [], border: [] },
  })
  table.push(...rows.map(row => [...row]))
  return table
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
}

function ensureNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}
