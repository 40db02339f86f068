/** What can be typed into the debugger, and what it answers. Nothing here knows of a terminal. */

import { plural, printable } from '../text.js'
import type { LogWalk, Progress, Step } from './log-walk.js'
import type { StepSource } from './step-source.js'
import type { StepText } from './step-text.js'

export const STEP_HELP = `n [COUNT]         next entry              p [COUNT]     previous entry
k [KEY]           next change of KEY      K [KEY]       previous change of KEY
c KEY             go on until KEY changes
c =TEXT           go on until a value is TEXT             c /REGEX/[i]  ... until one matches
j TIME            jump to a time: 5m ago, lamport:N, index:shard_0/N, a tag, start, now
g [KEY]           what KEY holds here     ls [PREFIX]   the keys here that begin so
w                 where this is           h             this help
q                 quit (also Ctrl-D)      empty line    the last command again
Without KEY: that of the present entry, or the last that was given.`

/** Keys that `ls` shows. */
const KEYS_SHOWN_MAX = 200
const NAMES: Readonly<Record<string, string>> = {
  next: 'n',
  s: 'n',
  prev: 'p',
  previous: 'p',
  continue: 'c',
  jump: 'j',
  get: 'g',
  print: 'g',
  where: 'w',
  help: 'h',
  '?': 'h',
  quit: 'q',
  exit: 'q',
}

/** Whom it says what to. */
export interface StepIo {
  print(text: string): Promise<void>
  /** Told how far a search is; false ends it. */
  progress: Progress
}

export class StepCommands {
  readonly #walk: LogWalk
  readonly #source: StepSource
  readonly #text: StepText
  readonly #io: StepIo
  #lastKey: Buffer | undefined
  #lastCommand = 'n'

  constructor(walk: LogWalk, source: StepSource, text: StepText, io: StepIo) {
    this.#walk = walk
    this.#source = source
    this.#text = text
    this.#io = io
  }

  /** Does what a line says; false when that is to quit. What goes wrong is said and changes nothing. */
  async run(given: string): Promise<boolean> {
    const typed = given.trim() === '' ? this.#lastCommand : given.trim()
    const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(typed)!
    const name = NAMES[word] ?? word
    if (name === 'q') return false
    this.#lastCommand = typed
    try {
      await this.#do(name, rest)
    } catch (error) {
      await this.#say(this.#text.error(error instanceof Error ? error.message : String(error)))
    }
    return true
  }

  /** Shows where the walk is. */
  async where(): Promise<void> {
    const { places } = this.#walk
    const ranges = (shard: string) => this.#source.range(shard)
    await this.#say(this.#text.where(places, ranges, await this.#walk.current()))
  }

  async #do(name: string, rest: string): Promise<void> {
    switch (name) {
      case 'n':
        return await this.#move(rest, () => this.#walk.next(), 'this is the end', false)
      case 'p':
        return await this.#move(rest, () => this.#walk.previous(), 'this is the beginning', true)
      case 'k':
        return await this.#untilKey(await this.#keyOf(rest))
      case 'K':
        return await this.#backToKey(await this.#keyOf(rest))
      case 'c':
        return await this.#continue(rest)
      case 'j':
        return await this.#jump(rest)
      case 'g': {
        const key = await this.#keyOf(rest)
        return await this.#say(this.#text.held(key, await this.#walk.get(key)))
      }
      case 'ls':
        return await this.#list(rest)
      case 'w':
        return await this.where()
      case 'h':
        return await this.#say(STEP_HELP)
      default:
        return await this.#say(this.#text.error(`"${name}" is no command: h shows all`))
    }
  }

  /** Several entries are shown on one line each. */
  async #move(
    rest: string,
    go: () => Promise<Step | undefined>,
    end: string,
    isBack: boolean,
  ): Promise<void> {
    const count = rest === '' ? 1 : Number(rest)
    if (!Number.isSafeInteger(count) || count < 1)
      throw new Error(`"${rest}" given, expected how many entries`)
    for (let done = 0; done < count; done++) {
      const step = await go()
      if (step === undefined) return await this.#say(this.#text.dim(end))
      await this.#say(count === 1 ? this.#text.step(step, isBack) : this.#text.short(step, isBack))
      if (count > 1 && !(await this.#io.progress(step.line))) return
    }
  }

  async #untilKey(key: Buffer): Promise<void> {
    const step = await this.#walk.untilKeyChanges(key, this.#io.progress)
    if (step !== undefined) return await this.#say(this.#text.step(step))
    await this.#say(this.#text.dim(`no further change of ${printable(key)}`))
  }

  async #backToKey(key: Buffer): Promise<void> {
    const step = await this.#walk.beforeKeyChanged(key)
    if (step !== undefined) return await this.#say(this.#text.step(step))
    await this.#say(this.#text.dim(`no earlier change of ${printable(key)} in this log`))
  }

  async #continue(rest: string): Promise<void> {
    const matches = valueMatch(rest)
    if (matches === undefined) return await this.#untilKey(await this.#keyOf(rest))
    const step = await this.#walk.untilValue(matches, this.#io.progress)
    if (step !== undefined) return await this.#say(this.#text.step(step))
    await this.#say(this.#text.dim('no further value matches'))
  }

  async #jump(rest: string): Promise<void> {
    if (rest === '') throw new Error('j: expected a time, such as j lamport:512 or j 5m ago')
    this.#walk.jump(await this.#source.resolve(rest))
    const current = await this.#walk.current()
    if (current === undefined) return await this.#say(this.#text.dim('before the first entry'))
    await this.#say(this.#text.step(current))
  }

  async #list(prefix: string): Promise<void> {
    let count = 0
    for await (const line of this.#walk.keys(prefix)) {
      if (count === KEYS_SHOWN_MAX) {
        return await this.#say(this.#text.dim(`... and more: ls with a longer prefix shows fewer`))
      }
      count += 1
      await this.#say(this.#text.held(line.key, line))
    }
    const what = prefix === '' ? '' : ` with the prefix ${prefix}`
    await this.#say(this.#text.dim(`${plural(count, 'key')}${what}`))
  }

  /** The key that is meant; it is meant from now on. */
  async #keyOf(rest: string): Promise<Buffer> {
    const current = rest === '' ? await this.#walk.current() : undefined
    const isData = current?.line.operation === 'set' || current?.line.operation === 'delete'
    const key = rest !== '' ? Buffer.from(rest) : isData ? Buffer.from(current!.line.key) : this.#lastKey
    if (key === undefined) throw new Error('which key? The present entry has none')
    this.#lastKey = key
    return key
  }

  async #say(text: string): Promise<void> {
    await this.#io.print(`${text}\n`)
  }
}

/** What `=TEXT` and `/REGEX/` ask of a value; undefined for a key. */
function valueMatch(given: string): ((value: Buffer) => boolean) | undefined {
  if (given.startsWith('=')) {
    const wanted = Buffer.from(given.slice(1))
    return value => value.equals(wanted)
  }
  const regex = /^\/(.+)\/(i?)$/.exec(given)
  if (regex === null) return undefined
  const wanted = new RegExp(regex[1]!, regex[2])
  return value => wanted.test(value.toString('utf8'))
}
