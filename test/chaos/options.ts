/** What a chaos run is told. */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { TopologyName } from '../../src/node/cluster-config.js'

/** Every kind of fault, and what it does. */
export const FAULTS = {
  kill: 'SIGKILL of a node, and a new start',
  pause: 'SIGSTOP of a process, and SIGCONT',
  partition: 'cuts between nodes, or between a node and the coordinator, both ways or one way',
  delay: 'a slow network between some processes',
  reset: 'connections that are reset',
  disk: 'a node whose disk is full (a small tmpfs)',
  flip: 'flipped bits in the files of a node that was killed, and a new start',
  coordinator: 'SIGKILL of the coordinator while all else is well, and a new start',
} as const

export type FaultName = keyof typeof FAULTS

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[]

export interface ChaosOptions {
  /** How long faults are made. */
  readonly durationMs: number
  readonly seed: number
  readonly nodes: number
  readonly shards: number
  readonly topology: TopologyName
  readonly faults: readonly FaultName[]
  /** Processes that send requests, and requests that each has in flight. */
  readonly clients: number
  readonly workers: number
  /** Everything is kept here: data, output, histories. Undefined: in a temporary folder, kept on a violation. */
  readonly keep: string | undefined
  /** Judge what an earlier run kept in this folder, and run nothing. */
  readonly check: string | undefined
}

/** Replicas of a shard, if there are as many nodes. */
export const REPLICAS = 3

interface Typed {
  minutes: number
  seed?: number
  nodes: number
  shards: number
  topology: TopologyName
  faults: FaultName[]
  clients: number
  workers: number
  keep?: string
  check?: string
}

export function parseOptions(argv: readonly string[]): ChaosOptions {
  const list = Object.entries(FAULTS).map(([name, what]) => `  ${name.padEnd(12)} ${what}`)
  const command = new Command('chaos')
    .description('Runs a cluster of processes under load and faults, and judges what its clients saw.')
    .exitOverride()
    .option('--minutes <n>', 'how long faults are made', positive, 1)
    .option('--seed <n>', 'decides kinds, targets and times of the faults (default: a new one)', whole(0))
    .option('--nodes <n>', `nodes; with more than ${REPLICAS} some are spare`, whole(1), REPLICAS)
    .option('--shards <n>', 'shards', whole(1), 1)
    .addOption(new Option('--topology <shape>').choices(['chain', 'star']).default('chain'))
    .option(
      '--faults <list>',
      `parted by commas, of: ${FAULT_NAMES.join(', ')} (default: all)`,
      faults,
      FAULT_NAMES,
    )
    .option('--clients <n>', 'client processes', whole(1), 3)
    .option('--workers <n>', 'requests in flight of each', whole(1), 3)
    .option('--keep <folder>', 'keep data, output and histories there')
    .option('--check <folder>', 'judge again what an earlier run kept')
    .addHelpText('after', `\nFaults:\n${list.join('\n')}`)
  command.parse([...argv])
  const typed = command.opts<Typed>()
  return {
    durationMs: typed.minutes * 60_000,
    seed: typed.seed ?? Date.now() % 2 ** 31,
    nodes: typed.nodes,
    shards: typed.shards,
    topology: typed.topology,
    faults: typed.faults,
    clients: typed.clients,
    workers: typed.workers,
    keep: typed.keep,
    check: typed.check,
  }
}

function faults(text: string): FaultName[] {
  const names = text.split(',').map(name => name.trim())
  const unknown = names.find(name => !(FAULT_NAMES as string[]).includes(name))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`No fault is called "${unknown}": ${FAULT_NAMES.join(', ')}.`)
  return names as FaultName[]
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 10_000)) throw new InvalidArgumentError('Expected a number above 0.')
  return value
}

function whole(least: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`Expected a whole number from ${least}.`)
  }
}
