/** `varve replay --step` at a terminal, or driven by a script on stdin. */

import { createInterface } from 'node:readline'
import type { ReplayCommandOptions } from '../commands/replay.js'
import { print } from '../output.js'
import { plural } from '../text.js'
import { LogWalk, type Progress } from './log-walk.js'
import { StepCommands } from './step-commands.js'
import { type StepSource, withStepSource } from './step-source.js'
import { StepText } from './step-text.js'

const HISTORY_LINES = 500
/** A search that is over sooner needs no progress shown. */
const SILENT_MS = 300

/** Runs until the person quits, or stdin ends. */
export async function stepThrough(options: ReplayCommandOptions): Promise<void> {
  await withStepSource(options, async source => {
    const walk = new LogWalk(source)
    if (options.at !== undefined) walk.jump(await source.resolve(options.at))
    const { isTTY, columns } = process.stdout
    const screen = { width: isTTY ? columns || 100 : undefined, hasStyle: isTTY && !process.env.NO_COLOR }
    const text = new StepText(screen)
    const terminal = new Terminal(walk)
    const io = { print: (what: string) => terminal.print(what), progress: terminal.progress }
    const commands = new StepCommands(walk, source, text, io)
    await print(`${introduction(source)}\n`)
    await commands.where()
    await terminal.run(line => commands.run(line))
  })
}

function introduction(source: StepSource): string {
  const entries = source.shards.reduce((sum, shard) => {
    const { baseIndex, lastIndex } = source.range(shard)
    return sum + lastIndex - baseIndex
  }, 0)
  return `${source.shards.join(', ')}: ${plural(entries, 'entry', 'entries')}; h shows the commands`
}

/** Lines from a person, with history and a prompt; from a pipe without either. Ctrl-C ends a search, or everything. */
class Terminal {
  readonly #walk: LogWalk
  #isBusy = false
  #busySince = 0
  #isEnding = false
  #wasShown = false

  constructor(walk: LogWalk) {
    this.#walk = walk
  }

  async print(text: string): Promise<void> {
    this.#clear()
    await print(text)
  }

  /** Shows how far a long search is, where somebody looks. */
  readonly progress: Progress = async ({ shard, index }) => {
    const isLong = performance.now() - this.#busySince > SILENT_MS
    if (process.stderr.isTTY && process.stdin.isTTY && isLong) {
      process.stderr.write(`\r\u001b[K${shard}/${index} ...`)
      this.#wasShown = true
    }
    // The event loop's next turn: only there a Ctrl-C is seen.
    await new Promise(resolve => setImmediate(resolve))
    return !this.#isEnding
  }

  async run(handle: (line: string) => Promise<boolean>): Promise<void> {
    const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
    const input = createInterface({
      input: process.stdin,
      ...(isTerminal
        ? { output: process.stdout, historySize: HISTORY_LINES, removeHistoryDuplicates: true }
        : {}),
      terminal: isTerminal,
    })
    const interrupt = () => {
      this.#isEnding = true
      if (!this.#isBusy) input.close()
    }
    input.on('SIGINT', interrupt)
    process.on('SIGINT', interrupt)
    const ask = () => {
      if (!isTerminal) return
      input.setPrompt(this.#prompt())
      input.prompt()
    }
    try {
      ask()
      for await (const line of input) {
        this.#isBusy = true
        this.#busySince = performance.now()
        const goesOn = await handle(line)
        this.#isBusy = false
        this.#isEnding = false
        this.#clear()
        if (!goesOn) return
        ask()
      }
      // After Ctrl-D the cursor stands behind the prompt.
      if (isTerminal) process.stdout.write('\n')
    } finally {
      process.off('SIGINT', interrupt)
      input.close()
    }
  }

  #clear(): void {
    if (this.#wasShown) process.stderr.write('\r\u001b[K')
    this.#wasShown = false
  }

  #prompt(): string {
    const places = [...this.#walk.places].map(([shard, index]) => `${shard}/${index}`)
    return places.length <= 2 ? `${places.join(' ')} > ` : `${places[0]} ... > `
  }
}
