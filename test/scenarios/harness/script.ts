/**
 * Scripts in the manner of datadriven tests: blocks of commands, a line of dashes, and the output that is expected,
 * compared word for word. Comments and empty lines may stand between blocks.
 */

export interface Block {
  /** Line of the file, from 1, where its commands begin. */
  readonly line: number
  readonly commands: readonly string[]
  readonly expected: readonly string[]
}

/** A file is blocks and, between them, lines that are kept as they are. */
export type Part = Block | { readonly text: string }

const DASHES = '----'

/** @throws Error naming the line, for a block without dashes */
export function parseScript(text: string): Part[] {
  const lines = text.replace(/\n$/, '').split('\n')
  const parts: Part[] = []
  for (let at = 0; at < lines.length; ) {
    const first = lines[at]!
    if (first === '' || first.startsWith('#')) {
      parts.push({ text: first })
      at += 1
      continue
    }
    const dashes = lines.indexOf(DASHES, at)
    const empty = lines.indexOf('', at)
    if (dashes < 0 || (empty >= 0 && empty < dashes)) {
      throw new Error(`line ${at + 1}: '${first}' is not followed by ${DASHES}`)
    }
    const end = empty < 0 ? lines.length : empty
    parts.push({
      line: at + 1,
      commands: lines.slice(at, dashes),
      expected: lines.slice(dashes + 1, end),
    })
    at = end
  }
  return parts
}

/** Runs every block; returns the parts with what really came out in place of what was expected. */
export async function runScript(
  parts: readonly Part[],
  run: (command: string) => Promise<string[]>,
): Promise<Part[]> {
  const ran: Part[] = []
  for (const part of parts) {
    if ('text' in part) {
      ran.push(part)
      continue
    }
    const output: string[] = []
    for (const command of part.commands) output.push(...(await runCommand(command, run)))
    ran.push({ ...part, expected: output })
  }
  return ran
}

async function runCommand(command: string, run: (command: string) => Promise<string[]>): Promise<string[]> {
  try {
    return await run(command)
  } catch (error) {
    return [`error: ${error instanceof Error ? error.message : error}`]
  }
}

export function formatScript(parts: readonly Part[]): string {
  const lines = parts.flatMap(part =>
    'text' in part ? [part.text] : [...part.commands, DASHES, ...part.expected],
  )
  return `${lines.join('\n')}\n`
}
