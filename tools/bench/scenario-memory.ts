/** `--scenario memory`: what a key costs in memory, beyond what an empty node needs. */

import { join } from 'node:path'
import { nodesOf } from '../../src/node/cluster-config.js'
import { describeMachine, type Machine, machineLine } from '../machine.js'
import { note, tableOf } from '../output.js'
import { count } from '../text.js'
import type { Cleanup } from './cleanup.js'
import { type MemoryUse, memoryOf, prepareMemoryFolder } from './memory-use.js'
import type { BenchOptions } from './options.js'
import { VarveSubject } from './varve-subject.js'

/** One node's memory, garbage collected each time. */
export interface NodeMemory {
  readonly address: string
  readonly empty: MemoryUse
  /** All keys were written. */
  readonly filled: MemoryUse
  /** Killed and started again on its data: without what writing them left behind. */
  readonly restarted: MemoryUse
}

export interface MemoryReport {
  readonly machine: Machine
  readonly keys: number
  readonly valueSizeBytes: number
  readonly nodes: readonly NodeMemory[]
}

/** Measures every node of a cluster empty, filled and restarted. */
export async function runMemory(options: BenchOptions, cleanup: Cleanup): Promise<MemoryReport> {
  const { keys, valueSizeBytes, shards, replicas } = options
  const topology = options.topologies[0] ?? 'chain'
  prepareMemoryFolder(join(cleanup.folder, 'memory'))
  const shape = { keys, valueSizeBytes }
  const where = { cleanup, name: topology, topology, shards, replicas, exposeGc: true }
  const subject = await VarveSubject.start(where, shape)
  try {
    const empty = await memoryOfAll(subject)
    note(`writing ${count(keys)} keys`)
    await subject.fill(keys)
    const filled = await memoryOfAll(subject)
    note('killing and restarting')
    await subject.cluster.kill()
    await subject.cluster.restart()
    await subject.settle()
    const restarted = await memoryOfAll(subject)
    const nodes = nodesOf(subject.cluster.config).map((address, at) => ({
      address,
      empty: empty[at]!,
      filled: filled[at]!,
      restarted: restarted[at]!,
    }))
    return { machine: describeMachine(cleanup.folder), keys, valueSizeBytes, nodes }
  } finally {
    await subject.stop()
  }
}

function memoryOfAll(subject: VarveSubject): Promise<MemoryUse[]> {
  return Promise.all(subject.cluster.nodePids.map(memoryOf))
}

/** As text. */
export async function memoryText(report: MemoryReport): Promise<string> {
  const { machine, keys, valueSizeBytes, nodes } = report
  const right = [
    'RSS MB',
    'anonymous MB',
    'heap+buffers MB',
    'RSS B/key',
    'anonymous B/key',
    'heap+buffers B/key',
  ]
  const lines = nodes.flatMap(node =>
    (['empty', 'filled', 'restarted'] as const).map(state => [
      node.address,
      state,
      ...sizes(node[state]).map(bytes => (bytes / 1e6).toFixed(1)),
      ...(state === 'empty' ? ['', '', ''] : perKey(node[state], node.empty, keys)),
    ]),
  )
  const table = await tableOf(['node', 'state', ...right], lines, right)
  const what = `${count(keys)} keys of 16 B with values of ${valueSizeBytes} B; B/key is what is beyond the empty node`
  return `${machineLine(machine)}\n${what}\n\n${table}\n`
}

function sizes({ rssBytes, anonymousBytes, heapBytes }: MemoryUse): number[] {
  return [rssBytes, anonymousBytes, heapBytes]
}

function perKey(use: MemoryUse, empty: MemoryUse, keys: number): string[] {
  const base = sizes(empty)
  return sizes(use).map((bytes, at) => ((bytes - base[at]!) / keys).toFixed(1))
}
