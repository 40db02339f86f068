/**
 * What both mains share: arguments, the logger, signals, and the way to end. A process ends with one line that says
 * why, on stderr and in its log, and with an exit code that tells its supervisor whether another start can help.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { pino } from 'pino'
import { LogError, reasonOf } from '../log/errors.js'
import type { Logger } from '../log/logger.js'
import { type ClusterConfig, ClusterConfigError, parseClusterConfig } from './cluster-config.js'
import { ExitCode } from './exit-code.js'
import { BindError, silenceGrpc } from './grpc-server.js'
import type { RunningNode, StartOptions } from './start.js'

/** After this long an orderly end becomes a plain one, ms. Everything acknowledged is on disk anyway. */
const STOP_TIMEOUT_MS = 8_000

class UsageError extends Error {}

/** Values of the flags named, all of them required. */
export function readArguments<Name extends string>(names: readonly Name[]): Record<Name, string> {
  const flags = Object.fromEntries(names.map(name => [name, { type: 'string' as const }]))
  let values: Record<string, unknown>
  try {
    values = parseArgs({ options: flags }).values
  } catch (error) {
    throw new UsageError(reasonOf(error))
  }
  for (const name of names) {
    if (typeof values[name] !== 'string') {
      throw new UsageError(`--${name} is missing: expected ${names.map(each => `--${each}`).join(', ')}`)
    }
  }
  return values as Record<Name, string>
}

export function readConfig(file: string): ClusterConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`configuration ${file} cannot be read: ${reasonOf(error)}`)
  }
  return parseClusterConfig(text, file)
}

/** Runs a process until a signal or a fatal error ends it. */
export async function runProcess(
  role: string,
  start: (options: Pick<StartOptions, 'logger' | 'onFatal'>) => Promise<RunningNode>,
): Promise<void> {
  tuneCollector()
  silenceGrpc()
  const logger = pino({ level: process.env.VARVE_LOG_LEVEL ?? 'info', base: { role, pid: process.pid } })
  try {
    const running = await start({ logger, onFatal: message => fail(logger, message, ExitCode.FAILED) })
    logger.info({ address: running.address }, 'serving')
    endOnSignal(running, logger)
  } catch (error) {
    fail(logger, reasonOf(error), exitCodeOf(error))
  }
}

/**
 * A node's heap is small (some 20 MB), its buffers are not: V8 starts a marking for every 64 MB of buffers that come and
 * go, several a second under load. Done in one go that takes a few ms; spread out, with threads that look for work
 * beside, it took a fifth of the CPU of a 2-core machine and a tenth of the throughput.
 */
function tuneCollector(): void {
  setFlagsFromString('--no-incremental-marking')
}

function endOnSignal(running: RunningNode, logger: Logger): void {
  const end = async (signal: string) => {
    logger.info({ signal }, 'ending')
    setTimeout(() => fail(logger, 'the orderly end took too long', ExitCode.FAILED), STOP_TIMEOUT_MS).unref()
    try {
      await running.stop()
    } catch (error) {
      return fail(logger, `the orderly end failed: ${reasonOf(error)}`, ExitCode.FAILED)
    }
    logger.info({}, 'ended')
    process.exit(ExitCode.DONE)
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void end(signal))
}

function fail(logger: Logger, message: string, exitCode: number): void {
  const line = message.replace(/\s*\n\s*/g, ' ')
  logger.error({ exitCode }, line)
  process.stderr.write(`${line}\n`)
  process.exit(exitCode)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof ClusterConfigError) return ExitCode.BAD_USAGE
  if (error instanceof BindError) return ExitCode.UNAVAILABLE
  if (error instanceof LogError) {
    if (error.code === 'LOG_LOCKED') return ExitCode.UNAVAILABLE
    return error.code === 'LOG_IO' ? ExitCode.FAILED : ExitCode.BAD_USAGE
  }
  return ExitCode.FAILED
}
