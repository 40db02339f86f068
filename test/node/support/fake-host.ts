/** Processes for tests of the services: real servers on free ports over in-memory hosts that know of each other. */
import { VarveError } from '../../../src/client/errors.js'
import type { ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import { nullLogger } from '../../../src/log/logger.js'
import type { ClusterAdmin } from '../../../src/node/cluster-admin.js'
import { GrpcServer } from '../../../src/node/grpc-server.js'
import type { NodeHost } from '../../../src/node/node-host.js'
import { Services } from '../../../src/node/services.js'
import type { SessionLimits } from '../../../src/node/session-service.js'
import { FakeData, FakeShard } from './fake-shard.js'

export class FakeHost implements NodeHost {
  /** Set on the process that plays the coordinator. */
  admin: ClusterAdmin | undefined = undefined
  address = ''
  readonly clusterId = 'fake'
  readonly incarnation = 1
  readonly shards = new Map<number, FakeShard>()
  readonly #listeners = new Set<(map: ShardMap) => void>()
  #map: ShardMap | undefined
  #lamport = 0
  #clients = 0

  shard(ordinal: number): FakeShard | undefined {
    return this.shards.get(ordinal)
  }

  shardMap(): ShardMap | undefined {
    return this.#map
  }

  setMap(map: ShardMap): void {
    this.#map = map
    for (const listener of this.#listeners) listener(map)
  }

  onShardMap(listener: (map: ShardMap) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  newClientId(): Buffer {
    this.#clients += 1
    const id = Buffer.alloc(16, this.address)
    id.writeUInt32BE(this.#clients, 4)
    return id
  }

  /** The greatest that a client brought. */
  wallMs = 0

  observeWall(wallMs: number): void {
    this.wallMs = Math.max(this.wallMs, wallMs)
  }

  observe(lamport: number): number {
    if (lamport > 1e15) throw new VarveError('INVALID_ARGUMENT', `the stamp ${lamport} is implausible`)
    this.#lamport = Math.max(this.#lamport, lamport)
    return this.#lamport
  }

  status() {
    return {
      address: this.address,
      role: 'node',
      clusterId: 'fake',
      incarnation: 1,
      pid: 1,
      uptimeMs: 1,
      replicas: [...this.shards.values()].map(shard => shard.status()),
      memoryRssBytes: 1,
      cpuUserUs: 1,
      cpuSystemUs: 1,
      version: '0',
      dataDir: '',
      wallMs: Date.now(),
    }
  }
}

/** A server with the services over a fake host. */
export class FakeNode {
  readonly host = new FakeHost()
  readonly server = new GrpcServer({ logger: nullLogger, services: ['varve.v1.Kv', 'varve.v1.Cluster'] })

  async start(sessionLimits?: SessionLimits): Promise<this> {
    const services = new Services(this.host, nullLogger, sessionLimits)
    services.addTo(this.server.server)
    this.server.onStop(() => services.endAll())
    this.host.address = await this.server.listen('127.0.0.1:0')
    this.server.setAllServing(true)
    return this
  }

  get address(): string {
    return this.host.address
  }

  shard(ordinal: number): FakeShard {
    return this.host.shards.get(ordinal)!
  }
}

export interface FakeShape {
  /** For each shard the numbers of the nodes that hold it; the first is the head. */
  readonly shards: readonly (readonly number[])[]
  readonly nodes: number
  readonly sessionLimits?: SessionLimits
}

/** Some nodes that know of each other. A node in no shard is as the coordinator is. */
export async function fakeCluster(
  t: { teardown(end: () => Promise<unknown>): void },
  { shards, nodes: count, sessionLimits }: FakeShape,
): Promise<FakeNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => new FakeNode().start(sessionLimits)))
  t.teardown(() => Promise.all(nodes.map(node => node.server.stop())))
  for (const [ordinal, members] of shards.entries()) {
    const data = new FakeData()
    for (const member of members) {
      const { host } = nodes[member]!
      host.shards.set(ordinal, new FakeShard(ordinal, `shard_${ordinal}`, host.address, data))
    }
    if (members[0] !== undefined) nodes[members[0]]!.shard(ordinal).isHead = true
  }
  const map = mapOf(nodes, shards, 1)
  for (const { host } of nodes) host.setMap(map)
  return nodes
}

export function mapOf(
  nodes: readonly FakeNode[],
  shards: readonly (readonly number[])[],
  revision: number,
): ShardMap {
  return {
    clusterId: 'fake',
    revision,
    coordinator: '127.0.0.1:1',
    defaultConsistency: 'strong',
    shards: shards.map((members, ordinal) => ({
      ordinal,
      name: `shard_${ordinal}`,
      epoch: revision,
      head: members[0] === undefined ? '' : nodes[members[0]]!.address,
      members: members.map((member, at) => ({
        address: nodes[member]!.address,
        upstream: at === 0 ? '' : nodes[members[at - 1]!]!.address,
      })),
      topology: 1,
      minInSync: 1,
      status: members[0] === undefined ? 'WAITING' : 'ACTIVE',
      waitingFor: members[0] === undefined ? '0 of 2 members' : '',
      learners: [],
      wanted: members.length,
    })),
  }
}
