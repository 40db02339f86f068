/** What the figures were measured on: without it they say nothing. */

import { statfsSync } from 'node:fs'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { byteSize } from './text.js'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly node: string
  /** The folder of data is in memory: a sync costs nothing there, and the figures are not those of a disk. */
  readonly dataInMemory: boolean
}

/** Types that Linux gives file systems which live in memory: tmpfs, ramfs. */
const MEMORY_FILE_SYSTEMS = new Set([0x01021994, 0x858458f6])

export function describeMachine(dataFolder: string): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    dataInMemory: MEMORY_FILE_SYSTEMS.has(statfsSync(dataFolder).type),
  }
}

/** In one line. */
export function machineLine({ cpu, cores, memoryBytes, system, node }: Machine): string {
  return `${cores} x ${cpu}, ${byteSize(memoryBytes)}, ${system}, Node.js ${node}`
}
