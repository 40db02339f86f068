/** What the library needs of a logger. Main files pass pino down as this; nothing below them knows pino. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

function nothing(): void {}

/** Says nothing. */
export const nullLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
