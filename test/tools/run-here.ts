import { main } from '../../tools/program.js'
import type { CommandResult } from './varve-command.js'

/**
 * Runs `varve` to its end in this process, which is much quicker than one of its own. Not two at a time, and not for
 * commands that end by a signal.
 */
export async function runHere(args: readonly string[]): Promise<CommandResult> {
  const output = { stdout: '', stderr: '' }
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write }
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (text: string | Uint8Array) => {
      output[name] += typeof text === 'string' ? text : Buffer.from(text).toString()
      return true
    }
  }
  try {
    const exitCode = await main(['node', 'varve', ...args])
    return { exitCode, ...output }
  } finally {
    process.stdout.write = writes.stdout
    process.stderr.write = writes.stderr
    process.exitCode = 0
  }
}
