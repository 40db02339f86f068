/**
 * Loaded into every node that the benchmark starts (`--import`), before the node itself. It ends the node when the
 * benchmark is gone, however that went, and measures its memory on SIGUSR2.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import '../local/end-with-parent.js'
import { MEMORY_FOLDER_VARIABLE, type MemoryUse } from './memory-use.js'

const folder = process.env[MEMORY_FOLDER_VARIABLE]
if (folder !== undefined) {
  process.on('SIGUSR2', () => {
    // Twice: what the first collection finalizes is free only after the second.
    globalThis.gc?.()
    globalThis.gc?.()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    const use: MemoryUse = {
      rssBytes: rss,
      anonymousBytes: anonymousBytes() ?? rss,
      heapBytes: heapUsed + arrayBuffers,
      isCollected: globalThis.gc !== undefined,
    }
    const file = join(folder, `${process.pid}.json`)
    writeFileSync(`${file}.new`, JSON.stringify(use))
    renameSync(`${file}.new`, file)
  })
}

/** Resident memory that is not a view of a file; LevelDB maps its tables, and the system may take those back. */
function anonymousBytes(): number | undefined {
  try {
    const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024
  } catch {
    return undefined
  }
}
