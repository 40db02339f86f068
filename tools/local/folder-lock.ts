/** Keeps two commands from changing the same cluster folder at the same time. */

import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { unavailable } from '../exit-codes.js'
import type { DataFolder } from './data-folder.js'
import { startOf } from './pid-file.js'

/** What is done under the lock takes milliseconds. */
const WAIT_MS_MAX = 10_000
const POLL_MS = 25
/** A lock that does not say whose it is was left by a process that died while it wrote it. */
const NAMELESS_MS_MAX = 5_000

/**
 * Lets `use` work while nobody else holds the folder's lock. A lock whose holder is gone does not count. Rejects
 * with exit code 3 after 10 s of waiting, naming the file.
 */
export async function withFolderLock<T>(folder: DataFolder, use: () => Promise<T>): Promise<T> {
  const file = join(folder.path, 'cluster.lock')
  const deadline = performance.now() + WAIT_MS_MAX
  while (!take(file)) {
    if (performance.now() > deadline) {
      throw unavailable(`another command has been changing ${folder.given} for 10 s (it holds ${file})`)
    }
    await delay(POLL_MS)
  }
  try {
    return await use()
  } finally {
    rmSync(file, { force: true })
  }
}

function take(file: string): boolean {
  try {
    writeFileSync(file, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if (isStale(file)) rmSync(file, { force: true })
  return false
}

function isStale(file: string): boolean {
  try {
    const [pid, start] = readFileSync(file, 'utf8').trim().split(' ')
    if (pid === undefined || pid === '') return Date.now() - statSync(file).mtimeMs > NAMELESS_MS_MAX
    return startOf(Number(pid)) !== start
  } catch {
    // It is gone: the next try may have it.
    return false
  }
}
