/** Histories in files: JSON lines, a header first. docs/history-format.md describes them for other checkers. */
import { readFileSync } from 'node:fs'
import type { HistoryOperation, HistoryPosition } from './history-event.js'
import { isObject, parseLine as parse, show } from './json-line.js'
import { JsonLinesWriter } from './json-lines-writer.js'

/** Version of the format that is written. 2 added scans and intended times. */
export const HISTORY_VERSION = 2
/** Versions that are read; any other is refused. */
const VERSIONS_READ: readonly unknown[] = [1, HISTORY_VERSION]

const FORMAT = 'varve-history'

/** First line of a file: what the history is, and whatever its runner wants to say about it. */
export interface HistoryHeader {
  readonly format: typeof FORMAT
  readonly version: number
  /** What the times are measured with, in words. */
  readonly clock: string
  readonly about: Readonly<Record<string, unknown>>
}

/** A history as it was read. */
export interface History {
  readonly header: HistoryHeader
  readonly operations: HistoryOperation[]
  /** The last line was not complete and was left out: its writer was ended in the middle. */
  readonly isCutShort: boolean
}

/** Anything that takes operations as they end. */
export interface HistorySink {
  write(operation: HistoryOperation): void
}

/** Writes a history; makes the file anew. Lines reach the file in blocks and at `flush` and `close`. Synchronous. */
export class HistoryWriter implements HistorySink {
  readonly #file: JsonLinesWriter

  /** Throws as `openSync` does. */
  constructor(path: string, clock: string, about: Readonly<Record<string, unknown>> = {}) {
    this.#file = new JsonLinesWriter(path)
    const header: HistoryHeader = { format: FORMAT, version: HISTORY_VERSION, clock, about }
    this.#file.write(header)
    this.#file.flush()
  }

  write(operation: HistoryOperation): void {
    this.#file.write(operation)
  }

  flush(): void {
    this.#file.flush()
  }

  /** Idempotent. */
  close(): void {
    this.#file.close()
  }
}

/** Reads a whole history. Throws an Error that names file and line for what is not one. */
export function readHistory(path: string): History {
  const lines = readFileSync(path, 'utf8').split('\n')
  const last = lines.pop()!
  const header = headerOf(lines[0] ?? last, path)
  const operations = lines.slice(1).map((line, at) => operationOn(line, `${path}, line ${at + 2}`))
  return { header, operations, isCutShort: last !== '' }
}

function headerOf(line: string, path: string): HistoryHeader {
  const given = parse(line, `${path}, line 1`)
  if (given.format !== FORMAT) {
    throw new Error(`${path}: the first line has the format ${show(given.format)}, expected "${FORMAT}"`)
  }
  const { version } = given
  if (!VERSIONS_READ.includes(version)) {
    const expected = VERSIONS_READ.join(' or ')
    throw new Error(`${path}: version ${show(version)} of the history format, expected ${expected}`)
  }
  const clock = typeof given.clock === 'string' ? given.clock : ''
  const about = isObject(given.about) ? given.about : {}
  return { format: FORMAT, version: version as number, clock, about }
}

const TYPES: readonly unknown[] = ['set', 'delete', 'get', 'scan']

const fields: Readonly<Record<keyof HistoryOperation, (given: unknown) => boolean>> = {
  client: given => typeof given === 'string',
  id: given => Number.isSafeInteger(given),
  type: given => TYPES.includes(given),
  key: given => typeof given === 'string',
  value: given => given === null || typeof given === 'string',
  consistency: given => given === 'strong' || given === 'weak' || given === 'session',
  intendedMs: given => given === undefined || Number.isFinite(given),
  invokedMs: given => Number.isFinite(given),
  returnedMs: given => given === null || Number.isFinite(given),
  outcome: given => given === 'ok' || given === 'failed' || given === 'unknown',
  position: given => given === null || isPosition(given),
  node: given => given === null || typeof given === 'string',
  error: given => given === null || typeof given === 'string',
}

function operationOn(line: string, where: string): HistoryOperation {
  return operationOf(parse(line, where), where)
}

/** The operation that a line's object is. Throws an Error that begins with `where` for anything else. */
export function operationOf(given: Readonly<Record<string, unknown>>, where: string): HistoryOperation {
  for (const [name, isRight] of Object.entries(fields)) {
    if (!isRight(given[name])) throw new Error(`${where}: "${name}" is ${show(given[name])}`)
  }
  return given as unknown as HistoryOperation
}

function isPosition(given: unknown): given is HistoryPosition {
  if (!isObject(given)) return false
  const { shard, epoch, index, lamport, committed } = given
  const areNumbers = [epoch, index, lamport].every(each => Number.isSafeInteger(each))
  return typeof shard === 'string' && areNumbers && typeof committed === 'boolean'
}
