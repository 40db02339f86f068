/**
 * What must be gone when the benchmark is: its processes and its folder of data. Undone in an orderly way where
 * it ends by itself, and at once where it is interrupted or fails.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { badUsage } from '../exit-codes.js'

/** 128 + the signal's number, as shells have it. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

export class Cleanup {
  /** A new folder for all data, under the one given. */
  readonly folder: string
  readonly #kills = new Set<() => void>()

  /** Makes the folder. Throws a bad-usage error where that cannot be done. */
  constructor(under: string) {
    try {
      this.folder = mkdtempSync(join(under, 'varve-bench-'))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      throw badUsage(
        `--dir: no folder can be made in ${under} (${code}): expected a folder that can be written to`,
      )
    }
    process.once('exit', this.#undo)
    for (const [name, exitCode] of Object.entries(SIGNALS)) {
      process.once(name, () => process.exit(exitCode))
    }
  }

  /** Registers what ends a process at once, without waiting. Returns what takes it back. */
  onExit(kill: () => void): () => void {
    this.#kills.add(kill)
    return () => this.#kills.delete(kill)
  }

  readonly #undo = (): void => {
    for (const kill of this.#kills) kill()
    // A process that was just killed may still be writing its last file.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}
