/** Writes JSON lines to a file, in blocks: what is written line by line must not cost a system call each. */

import { closeSync, openSync, writeSync } from 'node:fs'

/** Lines are gathered up to this size before they are written. */
const BUFFERED_BYTES_MAX = 64 * 1024

/** Makes the file anew. Lines reach the file in blocks and at `flush` and `close`. Synchronous. */
export class JsonLinesWriter {
  readonly #file: number
  #lines: string[] = []
  #bufferedBytes = 0
  #isClosed = false

  /** Throws as `openSync` does. */
  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  /** Adds an object as one line. */
  write(object: object): void {
    this.writeLine(JSON.stringify(object))
  }

  /** Adds a line that is JSON already. */
  writeLine(line: string): void {
    if (this.#isClosed) throw new TypeError('the file is closed')
    this.#lines.push(`${line}\n`)
    this.#bufferedBytes += line.length + 1
    if (this.#bufferedBytes >= BUFFERED_BYTES_MAX) this.flush()
  }

  flush(): void {
    if (this.#lines.length === 0) return
    const bytes = Buffer.from(this.#lines.join(''))
    this.#lines = []
    this.#bufferedBytes = 0
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written)
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return
    this.flush()
    this.#isClosed = true
    closeSync(this.#file)
  }
}
