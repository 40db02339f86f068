/** The entries that a history is judged against, in files: JSON lines, a header first (docs/history-format.md). */
import { readFileSync, writeFileSync } from 'node:fs'
import type { LoggedEntry } from './history-event.js'
import { parseLine, show } from './json-line.js'

const FORMAT = 'varve-entries'
const VERSION = 1

/** Writes entries in the order given. `kind` says whether they are the final log or orphans. */
export function writeEntries(path: string, kind: 'log' | 'orphans', entries: readonly LoggedEntry[]): void {
  const lines = [{ format: FORMAT, version: VERSION, kind }, ...entries].map(each => JSON.stringify(each))
  writeFileSync(path, `${lines.join('\n')}\n`)
}

/** Reads what {@link writeEntries} wrote. Throws an Error that names file and line for anything else. */
export function readEntries(path: string): LoggedEntry[] {
  const [first = '', ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n')
  const { format, version } = parseLine(first, `${path}, line 1`)
  if (format !== FORMAT || version !== VERSION) {
    throw new Error(
      `${path}: format ${show(format)}, version ${show(version)}; expected "${FORMAT}", ${VERSION}`,
    )
  }
  return lines.map((line, at) => {
    const entry = parseLine(line, `${path}, line ${at + 2}`)
    const { shard, epoch, index, type, key, value } = entry
    const isRight =
      [shard, key].every(each => typeof each === 'string') &&
      [epoch, index].every(each => Number.isSafeInteger(each)) &&
      (type === 'set' || type === 'delete' || type === 'other') &&
      (value === null || typeof value === 'string')
    if (!isRight) throw new Error(`${path}, line ${at + 2}: no entry: ${line.slice(0, 120)}`)
    return entry as unknown as LoggedEntry
  })
}
