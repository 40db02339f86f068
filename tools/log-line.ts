/** Entries of a log as `varve log` reads and prints them, wherever they come from. */

import type { Entry as EntryMessage } from '../src/generated/varve/v1/entry.js'
import { type Entry, indexOf } from '../src/log/entry.js'
import { jsonBytes, plural, printable, shorten, wallTime } from './text.js'

/** Names of operations by their numbers. */
export const OPERATION_NAMES = ['unknown', 'set', 'delete', 'epoch', 'noop'] as const

export type OperationName = (typeof OPERATION_NAMES)[number]

/** One entry. Its bytes may be views: copy to keep. */
export interface LogLine {
  readonly shard: string
  readonly index: number
  readonly epoch: number
  readonly lamport: number
  readonly wallMs: number
  /** As far as the replica that was asked knows. */
  readonly committed: boolean
  readonly operation: OperationName
  readonly key: Buffer
  readonly value: Buffer
  /** Index of the key's entry before this one; 0 if there is none. */
  readonly previous: number
  readonly clientId: Buffer
  readonly sequence: number
  readonly actor: string
  readonly batchContinues: boolean
  readonly refused: boolean
  /** First index of the entry's record; 0 where it is not known. */
  readonly record: number
}

/** An entry that a node sent. The numbers of operations are the same on the wire and on disk. */
export function lineOfMessage(entry: EntryMessage): LogLine {
  const { position, operation, ...rest } = entry
  return {
    shard: position?.shard ?? '',
    index: position?.index ?? 0,
    epoch: position?.epoch ?? 0,
    lamport: position?.stamp?.lamport ?? 0,
    wallMs: position?.stamp?.wallMs ?? 0,
    committed: position?.committed ?? false,
    operation: OPERATION_NAMES[operation] ?? 'unknown',
    ...rest,
  }
}

/** An entry read from disk. `commitIndex` is the last index that the log itself says is committed. */
export function lineOfEntry(shard: string, entry: Entry, commitIndex: number): LogLine {
  const { stamp, operation, previous, ...rest } = entry
  return {
    ...rest,
    shard,
    lamport: stamp.lamport,
    wallMs: stamp.wallMs,
    committed: entry.index <= commitIndex,
    operation: OPERATION_NAMES[operation],
    previous: indexOf(previous),
  }
}

/** The object that stands for an entry in JSON. */
export function lineObject(line: LogLine): object {
  const { shard, index, epoch, lamport, wallMs, committed, operation } = line
  const isData = operation === 'set' || operation === 'delete'
  return {
    shard,
    index,
    epoch,
    lamport,
    wallMs,
    committed,
    operation,
    ...(isData || line.key.length > 0 ? jsonBytes('key', line.key) : {}),
    ...(operation === 'set' || line.value.length > 0 ? jsonBytes('value', line.value) : {}),
    previous: line.previous,
    ...(line.sequence === 0 ? {} : { clientId: line.clientId.toString('hex'), sequence: line.sequence }),
    ...(line.actor === '' ? {} : { actor: line.actor }),
    ...(line.batchContinues ? { batchContinues: true } : {}),
    ...(line.refused ? { refused: true } : {}),
    ...(line.record === 0 ? {} : { record: line.record }),
  }
}

/** An entry as one line for people. Values longer than `valueLengthMax` characters are cut. */
export function lineText(line: LogLine, valueLengthMax = 100): string {
  const at = `${line.shard}/${line.index}`.padEnd(16)
  const marks = [
    line.committed ? '' : 'not committed yet',
    line.refused ? 'refused condition' : '',
    line.batchContinues ? 'batch goes on' : '',
    line.actor === '' ? '' : `by ${line.actor}`,
  ].filter(mark => mark !== '')
  const what = `${line.operation.padEnd(6)} ${contentText(line, valueLengthMax)}`.trimEnd()
  const tail = marks.length === 0 ? '' : `  (${marks.join(', ')})`
  return `${wallTime(line.wallMs)}  ${at}  L${line.lamport} e${line.epoch}  ${what}${tail}`
}

function contentText(line: LogLine, valueLengthMax: number): string {
  if (line.operation === 'epoch') return shorten(configurationText(line.value), valueLengthMax)
  const key = printable(line.key)
  return line.operation === 'set' ? `${key} ${shorten(printable(line.value), valueLengthMax)}` : key
}

/** The configuration that took office, in a few words; as it is stored where it reads otherwise. */
function configurationText(value: Buffer): string {
  try {
    const { head, members } = JSON.parse(value.toString('utf8')) as { head: string; members: unknown[] }
    return `head ${head}, ${plural(members.length, 'member')}`
  } catch {
    return printable(value)
  }
}
