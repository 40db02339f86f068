/** What a seed decides before anything runs: the cluster, its clients and their habits, and which faults there are. */
import type { ListedShard } from '../../src/replication/membership.js'
import type { Random } from '../../tools/random.js'
import { FAULTS, type FaultName, THEMES, type ThemeName } from './faults/names.js'
import { FAIR, type Weather } from './world/weather.js'

export const COORDINATOR = 'coordinator'

export interface Shape {
  /** All nodes; those in no shard are spare. */
  readonly nodes: readonly string[]
  readonly shards: readonly ListedShard[]
  readonly defaultConsistency: 'strong' | 'weak'
  readonly clients: readonly ClientShape[]
  readonly keys: readonly string[]
  /** Mean time between two faults, ms. */
  readonly faultEveryMs: number
  readonly faults: Readonly<Record<FaultName, number>>
  /** How long the faults last, ms. */
  readonly stormMs: number
  /** What the seed goes for; undefined: everything. */
  readonly theme: ThemeName | undefined
  /** Probability that the coordinator dies at a write to its store. */
  readonly crashAtWrite: number
  /** Probability that a node dies, and comes back soon, while its next configuration is under way. */
  readonly crashAtChange: number
  /** The weather between storms. */
  readonly weather: Weather
}

export interface ClientShape {
  readonly name: string
  /** Operations that it has under way at once. */
  readonly width: number
  /** Mean pause between two operations, ms. */
  readonly pauseMs: number
  readonly weights: Readonly<Record<Habit, number>>
}

export type Habit =
  | 'set strong'
  | 'set weak'
  | 'delete'
  | 'set if'
  | 'batch'
  | 'get strong'
  | 'get weak'
  | 'get session'
  | 'get strong at a replica'
  | 'look back'

/** `theme`: the one that all seeds have; undefined: each its own, or none. */
export function shapeOf(
  random: Random,
  excluded: ReadonlySet<string>,
  given: ThemeName | undefined = undefined,
): Shape {
  const drawn = random.pick(Object.keys(THEMES) as ThemeName[])
  const isThemed = random.chance(0.5)
  const theme = given ?? (isThemed ? drawn : undefined)
  const size = random.pick([1, 2, 3, 3, 3, 3, 4, 5])
  const spares = random.pick([0, 0, 1, 2])
  const nodes = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'].slice(0, size + spares)
  const topology = random.pick(['chain', 'star'] as const)
  const shardCount = random.pick([1, 1, 1, 2])
  const shards: ListedShard[] = []
  for (let ordinal = 0; ordinal < shardCount; ordinal += 1) {
    const listed = nodes.slice(0, size)
    const replicas = ordinal === 0 ? listed : [...listed.slice(1), listed[0]!]
    const minInSync = Math.min(random.pick([1, 1, 2, 2, 2, 3]), size)
    shards.push({ ordinal, name: `shard_${ordinal}`, replicas, topology, minInSync })
  }
  const clientCount = 1 + random.below(4)
  const clients = Array.from({ length: clientCount }, (_, at) => clientShape(random, `c${at + 1}`))
  return {
    nodes,
    shards,
    defaultConsistency: random.pick(['strong', 'strong', 'weak'] as const),
    clients,
    keys: ['{a}1', '{a}2', '{a}3', 'b', 'c', 'd', 'e', 'f'].slice(0, 3 + random.below(6)),
    faultEveryMs: random.pick([150, 300, 600, 1_200, 2_500]),
    faults: faultMix(random, excluded, theme),
    stormMs: random.between(5_000, 18_000),
    theme,
    crashAtWrite: theme === 'coordinators' || random.chance(0.3) ? random.next() * 0.3 : 0,
    crashAtChange: theme === 'restarts' || random.chance(0.2) ? random.next() * 0.5 : 0,
    weather: weatherOf(random, 0.4),
  }
}

function clientShape(random: Random, name: string): ClientShape {
  const some = (weight: number) => (random.chance(0.7) ? weight * random.next() : 0)
  return {
    name,
    width: 1 + random.below(3),
    pauseMs: random.pick([10, 30, 80, 250]),
    weights: {
      'set strong': 1 + some(4),
      'set weak': some(4),
      delete: some(1),
      'set if': some(1),
      batch: some(1.5),
      'get strong': 1 + some(4),
      'get weak': some(1),
      'get session': some(2),
      'get strong at a replica': some(2),
      'look back': some(0.6),
    },
  }
}

/** Each seed has its own mix: some kinds of faults do not happen at all, so that others get far. */
function faultMix(
  random: Random,
  excluded: ReadonlySet<string>,
  theme: ThemeName | undefined,
): Record<FaultName, number> {
  const share = theme === undefined ? random.pick([0.15, 0.35, 0.6]) : 0.05
  const themed: ReadonlySet<FaultName> = new Set(theme === undefined ? [] : THEMES[theme])
  const mix = {} as Record<FaultName, number>
  for (const name of FAULTS) {
    const isIn = random.chance(share) || (themed.has(name) && random.chance(0.8))
    mix[name] = isIn && !excluded.has(name) ? 0.2 + random.next() : 0
  }
  return mix
}

/** `badness` is the share of what can be bad that is. */
export function weatherOf(random: Random, badness: number): Weather {
  const bad = (value: number) => (random.chance(badness) ? random.next() * value : 0)
  return {
    latencyMs: random.pick([0.05, 0.2, 1, 5]),
    jitterMs: random.pick([0, 0.2, 2, 10]),
    loss: bad(0.15),
    duplicate: bad(0.2),
    overtake: bad(0.2),
    straggle: bad(0.05),
    refuse: bad(0.05),
    reset: bad(0.01),
    syncMs: random.pick([0.1, 0.5, 2, 8]),
    slowSync: bad(0.1),
    slowSyncMs: random.pick([20, 200, 1_500]),
    failSync: bad(0.0005),
  }
}

/** Makes one weather the other, in place: everybody looks at the same object. */
export function becomes(weather: Weather, next: Readonly<Weather> = FAIR): void {
  Object.assign(weather, next)
}
