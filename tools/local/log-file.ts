/** The end of a process's log, to say in one line why it ended. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const TAIL_SIZE_BYTES_MAX = 65_536
/** pino's level "error". */
const LEVEL_ERROR = 50

/** Size of a file in bytes; 0 if there is none. Remembered before a start, it parts old lines from new ones. */
export function logSize(file: string): number {
  try {
    const descriptor = openSync(file, 'r')
    const { size } = fstatSync(descriptor)
    closeSync(descriptor)
    return size
  } catch {
    return 0
  }
}

/**
 * The message of the last line after byte `from` that speaks of an error: a JSON line of level error or above,
 * or a line that is not JSON (what a process prints when it ends). Undefined where none does.
 */
export function lastMessage(file: string, from: number): string | undefined {
  for (const line of tailOf(file, from).split('\n').reverse()) {
    const text = line.trim()
    // What surrounds the message of an uncaught error, its stack trace above all, is indented or one of these.
    const isAround = /^\s/.test(line) || text.startsWith('Node.js v') || /^[{}^]*$/.test(text)
    if (isAround) continue
    const record = parseRecord(text)
    if (record === undefined) return text
    if (typeof record.level === 'number' && record.level >= LEVEL_ERROR) return record.message
  }
  return undefined
}

function tailOf(file: string, from: number): string {
  try {
    const descriptor = openSync(file, 'r')
    const { size } = fstatSync(descriptor)
    const start = Math.max(from, size - TAIL_SIZE_BYTES_MAX)
    const bytes = Buffer.alloc(Math.max(0, size - start))
    const length = readSync(descriptor, bytes, 0, bytes.length, start)
    closeSync(descriptor)
    return bytes.toString('utf8', 0, length)
  } catch {
    return ''
  }
}

function parseRecord(line: string): { level: unknown; message: string } | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const fields = JSON.parse(line) as Record<string, unknown>
    return { level: fields.level, message: String(fields.msg ?? fields.message ?? line) }
  } catch {
    return undefined
  }
}
