/**
 * How a command asks the supervisor of a folder to start a node: by a file in the folder, named as the node is. The
 * supervisor looks there several times a second, so that nothing depends on a signal that might reach someone else.
 */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataFolder } from './data-folder.js'

/** Time between two looks, ms. */
export const REQUEST_POLL_MS = 200

/** Asks for the start of the process called `name`. Asking twice is the same as asking once. */
export function requestStart(folder: DataFolder, name: string): void {
  mkdirSync(folder.requestsDir, { recursive: true })
  writeFileSync(join(folder.requestsDir, name), '')
}

/** Takes a request back. False where it was taken up, or there is none. */
export function withdrawStart(folder: DataFolder, name: string): boolean {
  try {
    rmSync(join(folder.requestsDir, name))
    return true
  } catch {
    return false
  }
}

/** The names that were asked for since the last call; they are gone from the folder. */
export function takeStartRequests(folder: DataFolder): string[] {
  return namesIn(folder.requestsDir).filter(name => withdrawStart(folder, name))
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}
