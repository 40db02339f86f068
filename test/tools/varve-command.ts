import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../../tools/varve.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** How a run of the command ended. */
export interface CommandResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCommand {
  readonly pid: number
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string }
  readonly ended: Promise<CommandResult>
  signal(name: NodeJS.Signals): void
}

/** Starts `varve` from its source. The environment's own `VARVE_` variables do not reach it. */
export function startVarve(
  args: readonly string[],
  input = '',
  env: Record<string, string> = {},
  cwd = ROOT,
): RunningCommand {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('VARVE_'))
  const child = spawn(process.execPath, [`--import=${TSX}`, ENTRY, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (output.stderr += text))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', exitCode => resolve({ exitCode, ...output }))
  })
  return { pid: child.pid!, output, ended, signal: name => void child.kill(name) }
}

/** Runs `varve` to its end. */
export function varve(
  args: readonly string[],
  input = '',
  env: Record<string, string> = {},
  cwd = ROOT,
): Promise<CommandResult> {
  return startVarve(args, input, env, cwd).ended
}
