/**
 * How the `varve` command ends: with one of four exit codes and, where it did not do what was asked, one line
 * on stderr.
 */

/** Exit codes of every command. */
export const ExitCode = {
  /** Done. */
  DONE: 0,
  /** The answer is no: not found, condition refused, a rule forbids it, replicas differ, a log is damaged. */
  NO: 1,
  /** The request itself cannot be carried out as given. */
  BAD_USAGE: 2,
  /** What is needed does not answer now, or not in time; the same request may work later. */
  UNAVAILABLE: 3,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** A command's end other than success. The message is one line: what was given, what was expected, what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** An error of the person's request: exit code 2. */
export function badUsage(message: string): CommandError {
  return new CommandError(ExitCode.BAD_USAGE, message)
}

/** An error of the moment: exit code 3. */
export function unavailable(message: string): CommandError {
  return new CommandError(ExitCode.UNAVAILABLE, message)
}

/** Codes of the client, the log and the operating system that have an exit code other than 3. */
const EXIT_CODES: Readonly<Record<string, ExitCode>> = {
  INVALID_ARGUMENT: ExitCode.BAD_USAGE,
  UNKNOWN_SHARD: ExitCode.BAD_USAGE,
  WRONG_SHARD: ExitCode.BAD_USAGE,
  NOT_MEMBER: ExitCode.BAD_USAGE,
  OUT_OF_RANGE: ExitCode.BAD_USAGE,
  OUT_OF_RETENTION: ExitCode.NO,
  LOG_OUT_OF_RETENTION: ExitCode.NO,
  DATA_LOSS: ExitCode.NO,
  FAILED_PRECONDITION: ExitCode.NO,
  LOG_DAMAGED: ExitCode.NO,
  PROJECTION_DIVERGED: ExitCode.NO,
  LOG_NEWER_FORMAT: ExitCode.BAD_USAGE,
  LOG_FOREIGN: ExitCode.BAD_USAGE,
  ENOENT: ExitCode.BAD_USAGE,
  ENOTDIR: ExitCode.BAD_USAGE,
  EISDIR: ExitCode.BAD_USAGE,
  EACCES: ExitCode.BAD_USAGE,
  EPERM: ExitCode.BAD_USAGE,
  EROFS: ExitCode.BAD_USAGE,
}

/** The exit code that an error of any origin leads to. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode
  if (!(error instanceof Error)) return ExitCode.UNAVAILABLE
  if (error.name === 'ClusterConfigError') return ExitCode.BAD_USAGE
  return EXIT_CODES[codeOf(error) ?? ''] ?? ExitCode.UNAVAILABLE
}

/** What is printed for an error: one line, no stack trace. */
export function errorLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const line = message.replace(/\s*\n\s*/g, ' ').trim()
  const isOurs =
    error instanceof Error &&
    (error instanceof CommandError || error.name === 'ClusterConfigError' || codeOf(error) !== undefined)
  if (!isOurs) return `unexpected error: ${line} (VARVE_DEBUG=1 shows where)`
  const code = codeOf(error)
  return code === undefined || line.includes(code) ? line : `${line} (${code})`
}

/** The stable code of an error, where it carries one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
