/**
 * Files of operations for `varve run`: one a line, `set K V`, `get K` or `delete K`. A key has no white space;
 * a value is the rest of the line. Blank lines and lines that begin with `#` are left out.
 */

import { Limits } from '../src/log/entry.js'
import { printable, shorten } from './text.js'

/** One operation of a file. Keys and values are copies of the file's bytes, which need not be UTF-8. */
export type RunOperation =
  | { readonly kind: 'set'; readonly line: number; readonly key: Buffer; readonly value: Buffer }
  | { readonly kind: 'get' | 'delete'; readonly line: number; readonly key: Buffer }

/** A line that is no operation. The message says what was expected and shows the line, but not the file. */
export class MalformedLine extends Error {
  override readonly name = 'MalformedLine'
  /** From 1. */
  readonly line: number

  constructor(line: number, text: Buffer, expected: string) {
    super(`${expected}: ${shorten(printable(text), 120)}`)
    this.line = line
  }
}

const KINDS: Readonly<Record<string, RunOperation['kind']>> = {
  set: 'set',
  put: 'set',
  get: 'get',
  delete: 'delete',
  del: 'delete',
  rm: 'delete',
}

const FORMS = 'expected "set KEY VALUE", "get KEY" or "delete KEY"'

/**
 * Reads one line, without its line feed (a carriage return before it is dropped). Undefined for a line that
 * holds no operation. Throws `MalformedLine`.
 */
export function parseRunLine(text: Buffer, line: number): RunOperation | undefined {
  // Latin-1 keeps one character a byte, so positions in the string are positions in the buffer.
  const content = text.toString('latin1').replace(/\r$/, '')
  const match = /^[ \t]*([^ \t]+)(?:[ \t]+([^ \t]+))?(?:[ \t]+(.*))?$/s.exec(content)
  if (match === null || match[1]!.startsWith('#')) return undefined
  const kind = KINDS[match[1]!.toLowerCase()]
  const keyText = match[2]
  const rest = match[3] ?? ''
  if (kind === undefined) throw new MalformedLine(line, text, FORMS)
  if (keyText === undefined) throw new MalformedLine(line, text, `${kind} without a key, ${FORMS}`)
  const key = Buffer.from(keyText, 'latin1')
  checkSize('key', key.length, Limits.keySizeBytesMax, line, text)
  if (kind !== 'set') {
    if (rest.trim() !== '') throw new MalformedLine(line, text, `${kind} takes a key alone`)
    return { kind, line, key }
  }
  if (rest === '') throw new MalformedLine(line, text, `set without a value, ${FORMS}`)
  const value = Buffer.from(rest, 'latin1')
  checkSize('value', value.length, Limits.valueSizeBytesMax, line, text)
  return { kind, line, key, value }
}

/** The lines of a stream of bytes, without their line feeds. Each is a buffer of its own. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, at)])
      parts = []
      from = at + 1
    }
    if (from < chunk.length) parts.push(chunk.subarray(from))
  }
  if (parts.length > 0) yield Buffer.concat(parts)
}

/** The operations of a stream of bytes, in order. Throws `MalformedLine` when it comes to such a line. */
export async function* operationsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<RunOperation> {
  let line = 0
  for await (const text of linesOf(chunks)) {
    line++
    const operation = parseRunLine(text, line)
    if (operation !== undefined) yield operation
  }
}

function checkSize(what: string, given: number, most: number, line: number, text: Buffer): void {
  if (given > most)
    throw new MalformedLine(line, text, `${what} of ${given} bytes, allowed are at most ${most}`)
}
