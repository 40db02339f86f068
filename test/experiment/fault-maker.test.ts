/** A timeline is carried out on whoever is meant when its time has come. */
import test from 'ava'
import type { Inspector } from '../../src/client/inspector.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import type { ExperimentCluster } from '../../tools/experiment/cluster/experiment-cluster.js'
import { FaultMaker } from '../../tools/experiment/cluster/fault-maker.js'
import { readExperimentValue } from '../../tools/experiment/description/variants.js'

const nodes = ['h:1', 'h:2', 'h:3']

/** A cluster that only notes what is done to it; its chain is who is up, in the order of their numbers. */
class NotedCluster {
  readonly done: string[] = []
  readonly down = new Set<string>()
  readonly left = new Set<string>()

  readonly cluster: ExperimentCluster = {
    coordinator: 'h:0',
    topology: 'chain',
    nodes,
    shards: { shard_0: nodes },
    startedInMs: undefined,
    end: async (address, isClean) => {
      if (this.down.has(address)) throw new Error(`${address} does not run`)
      this.down.add(address)
      this.done.push(`${isClean ? 'stop' : 'kill'} ${address}`)
    },
    start: async address => {
      this.down.delete(address)
      this.done.push(`start ${address}`)
    },
    pause: async address => void this.done.push(`pause ${address}`),
    resume: async address => void this.done.push(`resume ${address}`),
    isRunning: async address => !this.down.has(address),
    close: async () => {},
  }

  readonly inspector = {
    shardMap: async () => this.#map(),
    leave: async (_: string, { address }: { address: string }) => {
      this.left.add(address)
      this.done.push(`leave ${address}`)
      return { shards: ['shard_0'] }
    },
    join: async (_: string, { address }: { address: string }) => {
      this.left.delete(address)
      this.done.push(`join ${address}`)
      return { shards: [] }
    },
  } as unknown as Inspector

  #map(): ShardMap {
    const members = nodes.filter(each => !this.down.has(each) && !this.left.has(each))
    const shard = {
      ordinal: 0,
      name: 'shard_0',
      epoch: 1,
      head: members[0] ?? '',
      members: members.map(address => ({ address, upstream: '' })),
      topology: 1,
      minInSync: 2,
      status: 'ACTIVE',
      waitingFor: '',
      learners: [],
      wanted: 3,
    }
    return { clusterId: 'c', revision: 1, shards: [shard], coordinator: 'h:0', defaultConsistency: 'strong' }
  }
}

/** Makes the faults, all due at once, and tells what was noted of them. */
async function made(faults: readonly Record<string, string>[], cluster = new NotedCluster()) {
  const { variants } = readExperimentValue(
    {
      name: 'x',
      workload: { kind: 'normal', operations: 1 },
      faults: faults.map(fault => ({ at: 0, ...fault })),
    },
    'x',
  )
  const told: { target: string; node: string; problem?: string }[] = []
  const maker = new FaultMaker({
    cluster: cluster.cluster,
    inspector: cluster.inspector,
    sinceZeroMs: () => 0,
    onFault: fault => told.push(fault),
  })
  await maker.run(variants[0]!.description.faults, new AbortController().signal)
  await maker.settled()
  return { cluster, maker, told }
}

test('roles are those of the moment', async t => {
  const { cluster } = await made([{ kill: 'HEAD' }, { kill: 'HEAD' }])
  t.deepEqual(cluster.done, ['kill h:1', 'kill h:2'])
})

test('the last one is who fell last, and all are all that are down', async t => {
  t.deepEqual(
    (await made([{ kill: 'TAIL' }, { stop: 'HEAD' }, { start: 'last' }])).cluster.done.at(-1),
    'start h:1',
  )
  t.deepEqual((await made([{ kill: 'n3' }, { kill: 'n1' }, { start: 'all' }])).cluster.done.slice(2), [
    'start h:3',
    'start h:1',
  ])
})

test('who leaves is remembered until it joins again', async t => {
  const { maker } = await made([{ leave: 'n2' }])
  t.deepEqual([...maker.left], ['h:2'])
  t.deepEqual([...(await made([{ leave: 'n2' }, { join: 'last' }])).maker.left], [])
})

test('what cannot be done is told and ends nothing', async t => {
  const { told, cluster } = await made([{ kill: 'n1' }, { kill: 'n1' }, { kill: 'n2' }])
  t.is(told.length, 3)
  t.regex(told.find(({ problem }) => problem !== undefined)!.problem!, /h:1 does not run/)
  t.deepEqual(cluster.done, ['kill h:1', 'kill h:2'])
})

test('healing starts who is down and wakes who is silent', async t => {
  const { maker, cluster } = await made([{ kill: 'n1' }, { pause: 'n2' }, { kill: 'coordinator' }])
  await maker.heal()
  t.deepEqual(cluster.done.slice(3).sort(), ['resume h:2', 'start h:0', 'start h:1'])
})

test('a timeline ends with the load', async t => {
  const cluster = new NotedCluster()
  const { variants } = readExperimentValue(
    { name: 'x', workload: { kind: 'normal', operations: 1 }, faults: [{ at: '1h', kill: 'n1' }] },
    'x',
  )
  const maker = new FaultMaker({
    cluster: cluster.cluster,
    inspector: cluster.inspector,
    sinceZeroMs: () => 0,
    onFault: () => {},
  })
  const ended = new AbortController()
  const running = maker.run(variants[0]!.description.faults, ended.signal)
  ended.abort()
  await running
  t.deepEqual(cluster.done, [])
})
