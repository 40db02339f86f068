/** Runs as an experiment would have recorded them, made up by a seed: what figures are tried and looked at with. */
import { shardOfKey } from '../../../src/client/shard-of-key.js'
import type {
  FaultEvent,
  LoadEvent,
  MembershipEvent,
  ReplicaSample,
  SampleEvent,
} from '../../../tools/experiment/record/events.js'
import type {
  RecordedEntry,
  RecordedOperation,
  RecordedRun,
} from '../../../tools/experiment/record/recorded-run.js'
import { Random } from '../../../tools/random.js'
import { delayAt, entriesHeld, type Outage } from './made-replica.js'

export interface MadeRun {
  readonly name: string
  readonly seed?: number
  readonly topology: 'chain' | 'star'
  readonly consistency: 'strong' | 'weak'
  readonly shards: number
  readonly replicas: number
  readonly seconds?: number
  readonly operationsPerSecond?: number
  readonly clients?: number
  readonly keys?: number
  /** Of the node at this place in the first shard's order. */
  readonly outages?: readonly Outage[]
}

const SAMPLE_EVERY_MS = 100
const FAILOVER_MS = 640

/** The same description gives the same run. */
export function makeRun(description: MadeRun): RecordedRun {
  const { seconds = 20, outages = [], clients = 24 } = description
  const shards = shardsOf(description)
  const memberships = membershipsOf(description, shards)
  const writer = new Writer(description, shards)
  writer.run()
  const endMs = seconds * 1_000
  const loads: LoadEvent[] = [
    { type: 'load', run: description.name, atMs: 0, state: 'begun', clients },
    { type: 'load', run: description.name, atMs: endMs, state: 'ended', clients: 0 },
  ]
  return {
    name: description.name,
    about: {
      type: 'run',
      run: description.name,
      atMs: 0,
      zeroWallMs: 1_790_000_000_000,
      zeroMonotonicMs: 5_000,
      topology: description.topology,
      consistency: description.consistency,
      coordinator: '127.0.0.1:5000',
      shards,
    },
    operations: writer.operations,
    samples: samplesOf(description, shards, writer.logs, memberships, endMs + 1_000),
    memberships,
    faults: faultsOf(description, shards, outages),
    loads,
    processes: [],
    quiet: {
      type: 'quiet',
      run: description.name,
      atMs: endMs + 800,
      replicas: description.shards * description.replicas,
    },
    log: writer.logs.flat(),
    preload: [],
    orphans: [],
  }
}

function shardsOf({ shards, replicas }: MadeRun): Record<string, string[]> {
  const nodeAt = (shard: number, replica: number) => `127.0.0.1:${5001 + shard * replicas + replica}`
  return Object.fromEntries(
    [...Array(shards).keys()].map(shard => [
      `shard_${shard}`,
      [...Array(replicas).keys()].map(replica => nodeAt(shard, replica)),
    ]),
  )
}

function membershipsOf(description: MadeRun, shards: Record<string, string[]>): MembershipEvent[] {
  const { name: run, outages = [] } = description
  const first = Object.keys(shards)[0]!
  const made: MembershipEvent[] = Object.entries(shards).map(([shard, members]) => {
    return {
      type: 'membership',
      run,
      atMs: 0,
      shard,
      epoch: 1,
      status: 'ACTIVE',
      head: members[0]!,
      members,
      learners: [],
    }
  })
  let members = shards[first]!
  let epoch = 1
  const add = (atMs: number, status: string, learners: string[] = []) => {
    const head = status === 'ACTIVE' ? members[0]! : ''
    made.push({ type: 'membership', run, atMs, shard: first, epoch, status, head, members, learners })
  }
  for (const { replica, fromMs, toMs } of outages) {
    const node = shards[first]![replica]!
    members = members.filter(each => each !== node)
    epoch++
    add(fromMs + FAILOVER_MS - 120, 'PROPOSED')
    add(fromMs + FAILOVER_MS, 'ACTIVE')
    add(toMs, 'ACTIVE', [node])
    members = [...members, node]
    epoch++
    add(toMs + 900, 'ACTIVE')
  }
  return made
}

function faultsOf(
  { name: run }: MadeRun,
  shards: Record<string, string[]>,
  outages: readonly Outage[],
): FaultEvent[] {
  const shard = Object.keys(shards)[0]!
  return outages.flatMap(({ replica, target, fromMs, toMs }): FaultEvent[] => {
    const node = shards[shard]![replica]!
    return [
      { type: 'fault', run, atMs: fromMs, action: 'kill', target, node, shard, tookMs: 12 },
      { type: 'fault', run, atMs: toMs - 300, action: 'start', target: node, node, shard: '', tookMs: 300 },
    ]
  })
}

/** Makes operations in the order of time, and the logs that they leave. */
class Writer {
  readonly operations: RecordedOperation[] = []
  readonly logs: RecordedEntry[][]
  readonly #description: MadeRun
  readonly #names: string[]
  readonly #random: Random
  /** Of each key its entries' stamps and indexes. */
  readonly #versions = new Map<string, { ms: number; index: number; value: string | null }[]>()

  constructor(description: MadeRun, shards: Record<string, string[]>) {
    this.#description = description
    this.#names = Object.keys(shards)
    this.logs = this.#names.map(() => [])
    this.#random = new Random(description.seed ?? 1, description.name)
  }

  run(): void {
    const { seconds = 20, operationsPerSecond = 600 } = this.#description
    const random = this.#random
    let atMs = 0
    while (atMs < seconds * 1_000) {
      atMs += -Math.log(1 - random.next()) * (1_000 / operationsPerSecond)
      this.#operation(atMs)
    }
  }

  #operation(intendedMs: number): void {
    const random = this.#random
    const { keys = 120, clients = 24, consistency, outages = [] } = this.#description
    const key = `user:${Math.floor(keys * random.next() ** 2.2)}`
    const ordinal = shardOfKey(Buffer.from(key), this.#names.length)
    const type = random.weighted({ get: 50, set: 46, delete: 4 })
    const halted = outages.find(
      ({ replica, target, fromMs }) =>
        (target === 'HEAD' || replica === 0) &&
        ordinal === 0 &&
        intendedMs > fromMs &&
        intendedMs < fromMs + FAILOVER_MS,
    )
    const invokedMs = intendedMs + (random.chance(0.02) ? random.between(0, 4) : 0.02)
    const waitedMs = halted === undefined ? 0 : halted.fromMs + FAILOVER_MS - invokedMs
    const returnedMs = invokedMs + Math.max(0, waitedMs) + this.#latencyMs(type === 'get')
    const isLost = halted !== undefined && random.chance(0.25)
    const common = {
      client: `c${random.below(clients)}`,
      id: this.operations.length,
      type,
      key,
      consistency,
      intendedMs,
    }
    if (isLost) {
      this.operations.push({
        ...common,
        value: null,
        invokedMs,
        returnedMs: invokedMs + 500,
        outcome: 'unknown',
        position: null,
        node: null,
        error: 'UNAVAILABLE: the head does not answer',
      })
      return
    }
    const found =
      type === 'get'
        ? this.#read(key, ordinal, returnedMs - 0.4)
        : this.#write(type, key, ordinal, returnedMs)
    const position = {
      shard: this.#names[ordinal]!,
      epoch: 1,
      index: found.index,
      lamport: found.index,
      committed: true,
    }
    this.operations.push({
      ...common,
      value: found.value,
      invokedMs,
      returnedMs,
      outcome: 'ok',
      position,
      node: null,
      error: null,
    })
  }

  #latencyMs(isRead: boolean): number {
    const { consistency, topology, replicas } = this.#description
    const hops =
      consistency === 'weak' ? 1 : isRead ? 1.4 : topology === 'chain' ? replicas : 2.2 + replicas / 12
    const random = this.#random
    const spread = Math.exp(0.35 * (random.next() + random.next() + random.next() - 1.5))
    return 0.55 * hops * spread + (random.chance(0.004) ? random.between(5, 40) : 0)
  }

  #write(type: 'set' | 'delete', key: string, ordinal: number, returnedMs: number) {
    const log = this.logs[ordinal]!
    const shard = this.#names[ordinal]!
    const index = log.length + 1
    const stampedMs = Math.max(log.at(-1)?.stampedMs ?? 0, returnedMs - 0.3)
    const value = type === 'set' ? `v${index}` : null
    log.push({ shard, epoch: 1, index, type, key, value, lamport: index + Math.floor(index / 40), stampedMs })
    const versions = this.#versions.get(key) ?? []
    versions.push({ ms: stampedMs, index, value })
    this.#versions.set(key, versions)
    return { index, value }
  }

  #read(key: string, ordinal: number, ms: number) {
    const { consistency, replicas } = this.#description
    const versions = this.#versions.get(key) ?? []
    const seenMs =
      consistency === 'strong'
        ? ms
        : ms - delayAt(this.#description, ordinal, this.#random.below(replicas), ms)
    return versions.findLast(version => version.ms <= seenMs) ?? { index: 0, value: null }
  }
}

function samplesOf(
  description: MadeRun,
  shards: Record<string, string[]>,
  logs: RecordedEntry[][],
  memberships: readonly MembershipEvent[],
  endMs: number,
): SampleEvent[] {
  const samples: SampleEvent[] = []
  for (const [ordinal, [shard, nodes]] of Object.entries(shards).entries()) {
    const held = logs[ordinal]!
    const ofShard = memberships.filter(each => each.shard === shard)
    for (const [replica, node] of nodes.entries()) {
      const random = new Random(description.seed ?? 1, `samples ${node}`)
      const outage = ordinal === 0 ? (description.outages ?? []).filter(each => each.replica === replica) : []
      let cpuMs = 300
      let rssBytes = 78e6 + random.between(0, 6e6)
      for (let atMs = random.between(0, SAMPLE_EVERY_MS); atMs < endMs; atMs += SAMPLE_EVERY_MS) {
        cpuMs += SAMPLE_EVERY_MS * (replica === 0 ? 0.55 : 0.16) * random.between(0.8, 1.25)
        rssBytes += random.between(-1, 1.6) * 3e4
        if (outage.some(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs - 100)) {
          cpuMs = 200
          rssBytes = 74e6
          continue
        }
        const view = ofShard.findLast(each => each.atMs <= atMs) ?? ofShard[0]!
        const isHead = view.head === node
        const count = entriesHeld(description, ordinal, replica, held, atMs, isHead)
        samples.push({
          type: 'sample',
          run: description.name,
          atMs,
          node,
          cpuMs,
          rssBytes,
          replicas: [sampleOf(shard, isHead, view.epoch, held[count - 1], count)],
        })
      }
    }
  }
  return samples.sort((a, b) => a.atMs - b.atMs)
}

function sampleOf(
  shard: string,
  isHead: boolean,
  epoch: number,
  last: RecordedEntry | undefined,
  count: number,
): ReplicaSample {
  return {
    shard,
    role: isHead ? 'head' : 'replica',
    epoch,
    lastIndex: count,
    durableIndex: count,
    commitIndex: count,
    lamport: last?.lamport ?? 0,
  }
}
