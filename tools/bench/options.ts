/** The options of the benchmark: what was typed, and what it comes to. */

import { tmpdir } from 'node:os'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { TopologyName } from '../../src/node/cluster-config.js'
import { wholeNumber } from '../arguments.js'
import type { Operation } from './rows.js'

export const SCENARIOS = [
  'table',
  'hot-reads',
  'memory',
  'restart',
  'failover',
  'catch-up',
  'history',
] as const
export type Scenario = (typeof SCENARIOS)[number]

export const RIVALS = ['etcd', 'redis'] as const
export type Rival = (typeof RIVALS)[number]

/** All settings, none left open. */
export interface BenchOptions {
  readonly scenario: Scenario
  readonly operations: readonly Operation[]
  readonly levels: readonly ('strong' | 'weak')[]
  readonly weakReads: readonly ('weak' | 'session')[]
  readonly topologies: readonly TopologyName[]
  readonly outstanding: readonly number[]
  readonly keys: number
  /** In the log that an empty node catches up with, or that is read. */
  readonly entries: number
  readonly valueSizeBytes: number
  readonly shards: number
  readonly replicas: number
  readonly windowMs: number
  readonly warmUpMs: number
  readonly rounds: number
  readonly only: readonly string[]
  readonly rivals: readonly Rival[]
  /** Where the folder for all data is made. */
  readonly under: string
  readonly profile: string | undefined
  /** The folder of the log that `history` reads, kept from one run to the next. */
  readonly data: string | undefined
  readonly output: 'table' | 'json'
}

/** What was typed; undefined where nothing was. */
interface Typed {
  readonly scenario: Scenario
  readonly ops?: Operation[]
  readonly consistency?: ('strong' | 'weak')[]
  readonly reads?: ('weak' | 'session')[]
  readonly topology?: TopologyName[]
  readonly outstanding?: number[]
  readonly keys?: number
  readonly entries?: number
  readonly valueSize: number
  readonly shards: number
  readonly replicas: number
  readonly seconds?: number
  readonly warmUp?: number
  readonly rounds?: number
  readonly quick?: true
  readonly only: string[]
  readonly vs: Rival[]
  readonly dir: string
  readonly profile?: string
  readonly data?: string
  readonly output: 'table' | 'json'
}

/** What stands where nothing was typed. */
interface Defaults {
  readonly operations: readonly Operation[]
  readonly levels: readonly ('strong' | 'weak')[]
  readonly weakReads: readonly ('weak' | 'session')[]
  readonly topologies: readonly TopologyName[]
  readonly outstanding: readonly number[]
  readonly keys: number
  readonly seconds: number
  readonly warmUp: number
  readonly rounds: number
}

const DEFAULTS: Defaults = {
  operations: ['write', 'read'],
  levels: ['strong', 'weak'],
  weakReads: ['weak'],
  topologies: ['chain', 'star'],
  outstanding: [1, 64, 512, 4_096],
  keys: 500_000,
  seconds: 3,
  warmUp: 1,
  rounds: 3,
}

/** `--quick`: whether it all works, and about how fast. */
const QUICK: Partial<Defaults> = { outstanding: [1, 512], keys: 100_000, seconds: 1, warmUp: 0.5, rounds: 1 }

const BY_SCENARIO: Readonly<Record<Scenario, Partial<Defaults>>> = {
  table: {},
  'hot-reads': {
    operations: ['read'],
    levels: ['weak'],
    weakReads: ['session'],
    topologies: ['chain'],
    outstanding: [512],
    keys: 100_000,
  },
  memory: { topologies: ['chain'], keys: 1_000_000 },
  restart: { topologies: ['chain'], keys: 1_000_000 },
  failover: { rounds: 20 },
  'catch-up': { outstanding: [512], keys: 100_000 },
  history: {},
}

const ENTRIES = 1_000_000
const HISTORY_ENTRIES = 10_000_000
const QUICK_LARGE_KEYS = 100_000
const QUICK_ROUNDS_MAX = 3

/** The command; `settingsOf` reads what it parsed. */
export function createCommand(): Command {
  return new Command('bench')
    .description(
      'Measures a Varve cluster of processes on this machine, and what one process could do at most.',
    )
    .helpOption('-h, --help', 'this text')
    .configureOutput({ outputError: (text, write) => write(`bench: ${text.replace(/^error: /, '')}`) })
    .exitOverride()
    .addArgument(new Argument('[scenario]', 'the same as --scenario').choices(SCENARIOS))
    .addOption(new Option('--scenario <name>', 'what to measure').choices(SCENARIOS).default('table'))
    .option('--ops <list>', 'write, read', listOf(['write', 'read']))
    .option('--consistency <list>', 'strong, weak', listOf(['strong', 'weak']))
    .option('--reads <list>', 'how weak reads are done: weak, session', listOf(['weak', 'session']))
    .option('--topology <list>', 'chain, star', listOf(['chain', 'star']))
    .option('--outstanding <list>', 'operations outstanding at a time: 1,64,512,4096', outstandingList)
    .option('--keys <count>', 'keys of 16 bytes (500000)', wholeNumber(1, 16_000_000))
    .option(
      '--entries <count>',
      'entries to catch up with (1000000), or of the log of history (10000000)',
      wholeNumber(1, 1_000_000_000),
    )
    .option('--value-size <bytes>', 'size of a value', wholeNumber(0, 1_048_576), 100)
    .option('--shards <count>', 'shards of the cluster', wholeNumber(1, 1_000), 1)
    .option('--replicas <count>', 'replicas of a shard, each a node process', wholeNumber(1, 100), 3)
    .option('--seconds <time>', 'duration of one measurement (3)', positiveNumber)
    .option('--warm-up <time>', 'seconds of load before each measurement (1)', positiveNumber)
    .option(
      '--rounds <count>',
      'measurements of each row, of which the median counts (3)',
      wholeNumber(1, 1_000),
    )
    .option('--quick', 'one short round of fewer rows')
    .option(
      '--only <rows>',
      'only rows with all these words: write/strong/512 (several: commas)',
      rowList,
      [],
    )
    .option('--vs <list>', 'measure these beside, if they are on the PATH: etcd, redis', listOf(RIVALS), [])
    .option('--dir <folder>', 'where data is kept meanwhile: on the disk to measure', tmpdir())
    .option('--data <folder>', 'the log of history: made where there is none, and kept')
    .option('--profile <folder>', 'leave a CPU profile of every process there')
    .addOption(
      new Option('-o, --output <format>', 'form of the answer').choices(['table', 'json']).default('table'),
    )
}

/** What the parsed command comes to. */
export function settingsOf(command: Command): BenchOptions {
  const typed = command.opts<Typed>()
  const quick: Partial<Defaults> = typed.quick === true ? QUICK : {}
  const name = (command.processedArgs[0] as Scenario | undefined) ?? typed.scenario
  const by: Defaults = { ...DEFAULTS, ...quick, ...BY_SCENARIO[name] }
  // What makes a large scenario large is its keys: a quick one has fewer.
  const keys = typed.quick === true ? Math.min(by.keys, QUICK_LARGE_KEYS) : by.keys
  const rounds = typed.quick === true ? Math.min(by.rounds, QUICK_ROUNDS_MAX) : by.rounds
  return {
    scenario: name,
    operations: typed.ops ?? by.operations,
    levels: typed.consistency ?? by.levels,
    weakReads: typed.reads ?? by.weakReads,
    topologies: typed.topology ?? by.topologies,
    outstanding: typed.outstanding ?? by.outstanding,
    keys: typed.keys ?? keys,
    entries: typed.entries ?? (typed.quick === true ? QUICK_LARGE_KEYS : entriesOf(name)),
    valueSizeBytes: typed.valueSize,
    shards: typed.shards,
    replicas: typed.replicas,
    windowMs: (typed.seconds ?? by.seconds) * 1_000,
    warmUpMs: (typed.warmUp ?? by.warmUp) * 1_000,
    rounds: typed.rounds ?? rounds,
    only: typed.only,
    rivals: typed.vs,
    under: typed.dir,
    profile: typed.profile,
    data: typed.data,
    output: typed.output,
  }
}

function entriesOf(scenario: Scenario): number {
  return scenario === 'history' ? HISTORY_ENTRIES : ENTRIES
}

function parts(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}

function listOf<T extends string>(allowed: readonly T[]): (text: string) => T[] {
  return text => {
    const given = parts(text)
    if (given.length > 0 && given.every(part => (allowed as readonly string[]).includes(part))) {
      return [...new Set(given)] as T[]
    }
    throw new InvalidArgumentError(`Allowed are ${allowed.join(', ')}, parted by commas.`)
  }
}

const OUTSTANDING_MAX = 65_536

function outstandingList(text: string): number[] {
  const given = parts(text)
  const numbers = given.map(part => (/^[0-9]{1,9}$/.test(part) ? Number(part) : Number.NaN))
  if (numbers.length > 0 && numbers.every(number => number >= 1 && number <= OUTSTANDING_MAX)) {
    return [...new Set(numbers)].sort((a, b) => a - b)
  }
  throw new InvalidArgumentError(`Allowed are whole numbers from 1 to ${OUTSTANDING_MAX}, parted by commas.`)
}

function rowList(text: string, before: readonly string[]): string[] {
  return [...before, ...parts(text)]
}

function positiveNumber(text: string): number {
  const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : 0
  if (value > 0 && value <= 3_600) return value
  throw new InvalidArgumentError('Allowed is a number of seconds above 0 and up to 3600.')
}
