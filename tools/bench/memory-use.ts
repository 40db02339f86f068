/** What a node that the benchmark started says of its memory, and how it is asked. */

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { unavailable } from '../exit-codes.js'
import { signal } from '../local/pid-file.js'

/** Names the folder in which a node leaves what it was asked for. */
export const MEMORY_FOLDER_VARIABLE = 'VARVE_BENCH_MEMORY_FOLDER'

/** A process's memory, all in bytes. */
export interface MemoryUse {
  readonly rssBytes: number
  /** Resident and not a view of a file, where the system tells; else as `rssBytes`. */
  readonly anonymousBytes: number
  /** JavaScript's heap in use and its array buffers. */
  readonly heapBytes: number
  /** Whether garbage was collected before. */
  readonly isCollected: boolean
}

const ANSWER_TIMEOUT_MS = 30_000
const POLL_MS = 20

/** Makes the folder, and lets processes that are started from now on know it. */
export function prepareMemoryFolder(folder: string): void {
  mkdirSync(folder, { recursive: true })
  process.env[MEMORY_FOLDER_VARIABLE] = folder
}

/** Asks a node, which collects its garbage first. */
export async function memoryOf(pid: number): Promise<MemoryUse> {
  const file = join(process.env[MEMORY_FOLDER_VARIABLE]!, `${pid}.json`)
  rmSync(file, { force: true })
  signal(pid, 'SIGUSR2')
  const deadline = performance.now() + ANSWER_TIMEOUT_MS
  while (performance.now() < deadline) {
    await delay(POLL_MS)
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as MemoryUse
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  throw unavailable(
    `process ${pid} did not say how much memory it uses within ${ANSWER_TIMEOUT_MS / 1_000} s`,
  )
}
