/** Each kind of fault: what it is done to, how it begins, and how it ends. */

import type { Random } from '../../tools/random.js'
import type { ChaosCluster } from './chaos-cluster.js'
import type { ChaosProcess } from './chaos-process.js'
import { flipBits, removeDamagedCopies } from './flip-bits.js'
import type { FaultName } from './options.js'

/** One fault that may be made now. */
export interface Fault {
  readonly kind: FaultName
  /** What, to whom: for the record. */
  readonly what: string
  readonly lastsMs: number
  /** The processes that nothing else may be done to meanwhile. */
  readonly holds: readonly ChaosProcess[]
  /** Only while every shard has all of its members, and then nothing else until they have them again. */
  readonly needsWhole: boolean
  /** May add to what is said about it. */
  begin(): Promise<string | undefined>
  end(): Promise<void>
}

/** What faults need besides the cluster. */
export interface FaultContext {
  readonly cluster: ChaosCluster
  /** Called before a node's files are damaged: what only they hold must be read while it lives. */
  readonly beforeDamage: (node: ChaosProcess) => Promise<void>
}

/** Room left on a full disk: nothing, or too little for the watermark. */
const LEFT_BYTES = [64 * 1_024, 64 * 1_048_576] as const

type Maker = (context: FaultContext, random: Random, free: readonly ChaosProcess[]) => Fault | undefined

/** Makes a fault of that kind out of processes that are free; undefined where none is. */
export function makeFault(
  kind: FaultName,
  context: FaultContext,
  random: Random,
  free: readonly ChaosProcess[],
): Fault | undefined {
  return makers[kind](context, random, free)
}

const nothing = { holds: [], needsWhole: false } as const

const makers: Readonly<Record<FaultName, Maker>> = {
  kill({ cluster }, random, free) {
    const nodes = free.filter(each => each !== cluster.coordinator)
    if (nodes.length === 0) return undefined
    const node = random.pick(nodes)
    return {
      ...nothing,
      kind: 'kill',
      what: node.name,
      lastsMs: random.between(200, 4_000),
      holds: [node],
      begin: () => quietly(node.kill()),
      end: async () => node.start(),
    }
  },

  pause(_context, random, free) {
    if (free.length === 0) return undefined
    const target = random.pick(free)
    return {
      ...nothing,
      kind: 'pause',
      what: target.name,
      lastsMs: random.between(100, 4_000),
      holds: [target],
      begin: async () => void target.pause(),
      end: async () => target.resume(),
    }
  },

  partition({ cluster }, random) {
    const { pairs, what } = cutPairs(cluster, random)
    let undo: (() => void)[] = []
    return {
      ...nothing,
      kind: 'partition',
      what,
      lastsMs: random.between(300, 6_000),
      begin: async () => {
        undo = pairs.map(([from, to]) => cluster.network.direction(from, to).cut())
        return undefined
      },
      end: async () => {
        for (const each of undo) each()
      },
    }
  },

  delay({ cluster }, random) {
    const { pairs, what } = cutPairs(cluster, random)
    const ms = Math.round(random.between(5, 300))
    let undo: (() => void)[] = []
    return {
      ...nothing,
      kind: 'delay',
      what: `${what} by ${ms} ms`,
      lastsMs: random.between(500, 5_000),
      begin: async () => {
        undo = pairs.map(([from, to]) => cluster.network.direction(from, to).delay(ms))
        return undefined
      },
      end: async () => {
        for (const each of undo) each()
      },
    }
  },

  reset({ cluster }, random) {
    const one = random.pick(cluster.processes)
    const others = cluster.processes.filter(each => each !== one)
    const chosen = random.chance(0.5) ? others : [random.pick(others)]
    return {
      ...nothing,
      kind: 'reset',
      what: `${one.name} - ${chosen.map(({ name }) => name).join(', ')}`,
      lastsMs: 0,
      begin: async () => {
        for (const { address } of chosen) cluster.network.reset(one.address, address)
        return undefined
      },
      end: async () => {},
    }
  },

  disk({ cluster }, random, free) {
    const small = cluster.smallDisk
    if (small === undefined || !free.includes(small.node)) return undefined
    const { node, disk } = small
    const left = random.pick(LEFT_BYTES)
    return {
      ...nothing,
      kind: 'disk',
      what: `${node.name} with ${left / 1_024} KiB left`,
      lastsMs: random.between(500, 5_000),
      holds: [node],
      begin: async () => {
        // A write that fails ends the process, and so does a start on a full disk.
        node.allowEnd(true)
        disk.leave(left)
        return undefined
      },
      end: async () => {
        disk.makeRoom()
        node.start()
        // Not at once: a write that failed may end it a little later.
        setTimeout(() => node.allowEnd(false), 2_000).unref()
      },
    }
  },

  flip({ cluster, beforeDamage }, random, free) {
    const nodes = free.filter(each => each !== cluster.coordinator)
    if (nodes.length === 0) return undefined
    const node = random.pick(nodes)
    const bits = 1 + random.below(3)
    return {
      kind: 'flip',
      what: `${node.name}, ${bits} bits`,
      lastsMs: random.between(200, 2_000),
      holds: [node],
      needsWhole: true,
      begin: async () => {
        try {
          await beforeDamage(node)
        } catch (error) {
          return `left out: ${(error as Error).message}`
        }
        await node.kill()
        // What an operator does, too: a node refuses to start beside many of them.
        removeDamagedCopies(node.spec.dataDir)
        return flipBits(node.spec.dataDir, bits, random)
      },
      end: async () => node.start(),
    }
  },

  coordinator({ cluster }, random, free) {
    const { coordinator } = cluster
    if (!free.includes(coordinator)) return undefined
    return {
      kind: 'coordinator',
      what: coordinator.name,
      lastsMs: random.between(200, 4_000),
      holds: [coordinator],
      needsWhole: true,
      begin: () => quietly(coordinator.kill()),
      end: async () => coordinator.start(),
    }
  },
}

async function quietly(done: Promise<void>): Promise<undefined> {
  await done
  return undefined
}

/** Which directions a partition cuts: of one process to all others or to one, both ways or one. */
function cutPairs(
  cluster: ChaosCluster,
  random: Random,
): { pairs: [from: string, to: string][]; what: string } {
  const { coordinator, nodes, processes } = cluster
  const shape = random.below(4)
  const isHead = random.chance(0.6) && cluster.heads.length > 0
  const one = shape === 3 ? coordinator : random.pick(isHead ? cluster.heads : nodes)
  const rest = processes.filter(each => each !== one)
  const peers = nodes.filter(each => each !== one)
  // From all, from the coordinator alone, from one other node alone; the coordinator from all.
  const others = shape === 1 ? [coordinator] : shape === 2 && peers.length > 0 ? [random.pick(peers)] : rest
  const way = random.pick(['<->', '<->', '->', '<-'] as const)
  const pairs: [string, string][] = []
  for (const { address } of others) {
    if (way !== '<-') pairs.push([one.address, address])
    if (way !== '->') pairs.push([address, one.address])
  }
  return { pairs, what: `${one.name} ${way} ${others.map(({ name }) => name).join(', ')}` }
}
