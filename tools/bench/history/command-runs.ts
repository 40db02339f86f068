/** Commands of `varve` run as a person runs them: a process each, timed from its start. */

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { unavailable } from '../../exit-codes.js'
import type { Cleanup } from '../cleanup.js'

/** How long a command may take. */
const TIMEOUT_MS = 300_000
const STDERR_KEPT = 2_000

/** Times since the process was started, ms. */
export interface CommandRun {
  readonly firstOutputMs: number
  /** 0 where it was ended after its first output. */
  readonly endMs: number
}

/**
 * Runs a command to its end, or (`first`) until it says something. Rejects with an unavailable error when it fails, says
 * nothing, or takes too long.
 */
export function runCommand(
  args: readonly string[],
  cleanup: Cleanup,
  until: 'first' | 'end',
  nodeArguments: readonly string[] = [],
): Promise<CommandRun> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const main = fileURLToPath(new URL(`../../varve.${extension}`, import.meta.url))
  const begun = performance.now()
  const child = spawn(process.execPath, [...process.execArgv, ...nodeArguments, main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const forget = cleanup.onExit(() => child.kill('SIGKILL'))
  return watch(child, begun, until, `varve ${args.join(' ')}`).finally(forget)
}

function watch(
  child: ChildProcess,
  begun: number,
  until: 'first' | 'end',
  name: string,
): Promise<CommandRun> {
  return new Promise((resolve, reject) => {
    let firstOutputMs = 0
    let said = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    child.stdout!.on('data', () => {
      firstOutputMs ||= performance.now() - begun
      if (until === 'first') child.kill('SIGTERM')
    })
    child.stderr!.on('data', data => {
      said = `${said}${data}`.slice(-STDERR_KEPT)
    })
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(timer)
      if (firstOutputMs > 0 && (until === 'first' || code === 0)) {
        resolve({ firstOutputMs, endMs: until === 'first' ? 0 : performance.now() - begun })
      } else {
        reject(unavailable(`${name} ended with exit code ${code}: ${said.trim() || 'it said nothing'}`))
      }
    })
  })
}
