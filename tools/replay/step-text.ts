/** How the debugger shows entries and places, on a terminal and in a pipe. */

import { type Style, styled } from '../column-printer.js'
import type { LogLine } from '../log-line.js'
import { requestCell } from '../past/line-cells.js'
import { plural, printable, shorten, wallTime } from '../text.js'
import type { Step } from './log-walk.js'
import type { Places } from './step-source.js'

/** What can be shown. */
export interface StepScreen {
  /** Characters in a line; undefined where nothing has to fit. */
  readonly width: number | undefined
  readonly hasStyle: boolean
}

/** What stands before an entry, and around it. */
const INDENT = '  '
const VALUE_WIDTH_MIN = 20

export class StepText {
  readonly #screen: StepScreen

  constructor(screen: StepScreen) {
    this.#screen = screen
  }

  /** An entry and what it changed, on a few lines. `isBack`: it has just been undone. */
  step({ line, before, isInBatch }: Step, isBack = false): string {
    const { shard, index, lamport, epoch, wallMs } = line
    const marks = [
      line.committed ? 'committed' : 'not known to be committed',
      ...(isInBatch ? [`atomic batch${line.batchContinues ? '' : ', its last entry'}`] : []),
    ]
    const place = this.#styled(`${isBack ? '<' : '>'} ${shard}/${index}`, 'bold')
    const head = `${place}  L${lamport}  e${epoch}  ${wallTime(wallMs)}  ${marks.join(', ')}`
    return [head, ...this.#change(line, before, isBack), ...this.#author(line)].join('\n')
  }

  /** An entry on one line. */
  short({ line, before }: Step, isBack = false): string {
    const { shard, index, lamport } = line
    const place = `${isBack ? '<' : '>'} ${`${shard}/${index}`.padEnd(16)} L${lamport}`
    if (!hasKey(line)) return `${place}  ${otherText(line)}`
    const room = this.#room(place.length + line.key.length + 16) / 2
    const side = (of: LogLine | undefined) => this.#value(of, Math.max(VALUE_WIDTH_MIN / 2, room))
    return `${place}  ${line.operation} ${printable(line.key)}: ${side(before)} -> ${side(line)}`
  }

  /** What a key holds, and since when. */
  held(key: Buffer, line: LogLine | undefined): string {
    const name = printable(key)
    if (line === undefined) return `${name}: was not written yet`
    const since = this.#styled(`(${line.shard}/${line.index}, L${line.lamport}${byText(line)})`, 'dim')
    if (line.operation === 'delete') return `${name}: deleted ${since}`
    return `${name} = ${this.#value(line, this.#room(name.length + since.length))} ${since}`
  }

  /** Where the walk is: each shard's index, and the entry that happened last. */
  where(places: Places, ranges: (shard: string) => { lastIndex: number }, current: Step | undefined): string {
    const lines = [...places].map(([shard, index]) => {
      return `${INDENT}${shard}: ${index} of ${plural(ranges(shard).lastIndex, 'entry', 'entries')}`
    })
    const last = current === undefined ? 'before the first entry' : `after ${this.short(current).slice(2)}`
    return [last, ...lines].join('\n')
  }

  /** Something that is not the answer: hints, the end of a list. */
  dim(text: string): string {
    return this.#styled(text, 'dim')
  }

  error(text: string): string {
    return this.#styled(text, 'red')
  }

  #change(line: LogLine, before: LogLine | undefined, isBack: boolean): string[] {
    if (!hasKey(line)) return [`${INDENT}${otherText(line)}`]
    const what = `${INDENT}${isBack ? 'undone: ' : ''}${line.operation} ${this.#styled(printable(line.key), 'bold')}`
    const room = this.#room(60)
    const from =
      before === undefined ? '' : ` (${before.shard}/${before.index}, L${before.lamport}${byText(before)})`
    const old = `${INDENT}- ${this.#value(before, room)}${from}`
    const held = `${INDENT}+ ${this.#value(line, room)}`
    return [what, this.#styled(old, isBack ? 'green' : 'red'), this.#styled(held, isBack ? 'red' : 'green')]
  }

  #author(line: LogLine): string[] {
    const by = [
      line.actor === '' ? '' : `by ${printable(Buffer.from(line.actor))}`,
      line.sequence === 0 ? '' : `request ${requestCell(line)}`,
      `record of index ${line.record}`,
    ]
    return [this.#styled(`${INDENT}${by.filter(each => each !== '').join(', ')}`, 'dim')]
  }

  #value(line: LogLine | undefined, room: number): string {
    if (line === undefined) return 'not written'
    if (line.operation !== 'set') return 'no value'
    const text = line.value.length === 0 ? '(empty)' : printable(line.value)
    return shorten(text, Math.floor(room))
  }

  /** Characters that are left in a line beside so many others. */
  #room(others: number): number {
    const { width } = this.#screen
    return width === undefined ? Number.POSITIVE_INFINITY : Math.max(VALUE_WIDTH_MIN, width - others)
  }

  #styled(text: string, style: Style): string {
    return this.#screen.hasStyle ? styled(text, style) : text
  }
}

function hasKey({ operation }: LogLine): boolean {
  return operation === 'set' || operation === 'delete'
}

function byText({ actor }: LogLine): string {
  return actor === '' ? '' : `, by ${printable(Buffer.from(actor))}`
}

/** An entry that changes no key. */
function otherText({ operation, refused, epoch, value }: LogLine): string {
  if (operation === 'noop') return refused ? 'noop: a condition that did not hold' : 'noop: time went on'
  try {
    const { head, members } = JSON.parse(value.toString('utf8')) as { head: string; members: unknown[] }
    return `epoch ${epoch} began: head ${head}, ${plural(members.length, 'member')}`
  } catch {
    return `epoch ${epoch} began`
  }
}
