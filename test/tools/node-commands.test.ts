/** `varve node ...` and `varve shard recover` against a coordinator of the test's own. */
import test, { type ExecutionContext } from 'ava'
import { VarveError } from '../../src/client/errors.js'
import type { NodeInfo, Shard, ShardMap } from '../../src/generated/varve/v1/cluster.js'
import type { ClusterAdmin } from '../../src/node/cluster-admin.js'
import { FakeNode } from '../node/support/fake-host.js'
import { chain, mapOf } from './shards.js'
import { tempFolder } from './temp-folder.js'
import { type CommandResult, varve } from './varve-command.js'

const MEMBERS = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']

interface Fake {
  readonly coordinator: FakeNode
  readonly calls: unknown[]
  /** Changes shard_0 of the map. */
  change(fields: Partial<Shard>): ShardMap
  run(...args: string[]): Promise<CommandResult>
}

/** A coordinator whose map changes when it is told to, or by what its answers do. */
async function fake(t: ExecutionContext, admin: (fake: Fake) => Partial<ClusterAdmin>): Promise<Fake> {
  const coordinator = await new FakeNode().start()
  t.teardown(() => coordinator.server.stop())
  const { host } = coordinator
  const first = mapOf(chain('shard_0', 0, MEMBERS), chain('shard_1', 1, MEMBERS))
  host.setMap({ ...first, coordinator: coordinator.address })
  const change = (fields: Partial<Shard>) => {
    const map = host.shardMap()!
    const shards = map.shards.map((shard, at) => (at === 0 ? { ...shard, ...fields } : shard))
    const newer = { ...map, revision: map.revision + 1, shards }
    host.setMap(newer)
    return newer
  }
  // In a folder of its own: whoever ran `npm start` in this checkout has a cluster in its usual place.
  const folder = tempFolder(t)
  const run = (...args: string[]) => varve([...args, '--endpoints', coordinator.address], '', {}, folder)
  const made: Fake = { coordinator, calls: [], change, run }
  const none = () => {
    throw new VarveError('INTERNAL', 'not expected in this test')
  }
  host.admin = { listNodes: none, leave: none, join: none, recover: none, ...admin(made) }
  return made
}

function info(fields: Partial<NodeInfo>): NodeInfo {
  const rest = { silentMs: 30, clockOffsetMs: 0, replicas: [], left: [], version: '0.1.0', fault: '' }
  return { address: MEMBERS[0]!, incarnation: 77, state: 'alive', ...rest, ...fields }
}

test.serial(
  'leave waits until the map shows that the node is out, not only until that was begun',
  async t => {
    const { calls, run } = await fake(t, ({ calls, change }) => ({
      leave: request => {
        calls.push(request)
        change({ status: 'PROPOSED', members: chain('shard_0', 0, MEMBERS.slice(0, 2)).members })
        setTimeout(() => change({ status: 'ACTIVE', epoch: 2 }), 300)
        return { shards: ['shard_0'] }
      },
    }))
    const done = await run('node', 'leave', MEMBERS[2]!, '--shard', 'shard_0', '-o', 'json')
    t.is(done.exitCode, 0, done.stderr)
    t.deepEqual(calls, [{ address: MEMBERS[2], shard: 'shard_0', force: false }])
    t.deepEqual(JSON.parse(done.stdout), {
      address: MEMBERS[2],
      left: [{ shard: 'shard_0', epoch: 2, head: MEMBERS[0], members: MEMBERS.slice(0, 2) }],
    })
  },
)

test.serial('what the coordinator refuses is printed as it says it, with exit code 1', async t => {
  const refusal = 'shard_0 would be left with 1 of 2 in-sync members: --force leaves all the same'
  const { run } = await fake(t, () => ({
    leave: () => {
      throw new VarveError('FAILED_PRECONDITION', refusal)
    },
  }))
  const refused = await run('node', 'leave', MEMBERS[2]!)
  t.is(refused.stderr, `varve: ${refusal} (FAILED_PRECONDITION)\n`)
  t.is(refused.exitCode, 1)
})

test.serial('a leave that takes too long says where it stands, and that it goes on', async t => {
  const { run } = await fake(t, ({ change }) => ({
    leave: () => {
      change({ status: 'PROPOSED', waitingFor: 'shard_0 drains' })
      return { shards: ['shard_0'] }
    },
  }))
  const late = await run('node', 'leave', MEMBERS[2]!, '--timeout', '3s')
  t.is(late.exitCode, 3)
  t.regex(
    late.stderr,
    /^varve: 127\.0\.0\.1:3 is not out of shard_0 \(PROPOSED: shard_0 drains\) after 3000 ms; it goes/,
  )
})

test.serial('join waits until the node counts; on its way it is a learner', async t => {
  const learner = {
    address: '127.0.0.1:9',
    upstream: MEMBERS[2]!,
    index: 5,
    baseReceivedBytes: 0,
    baseTotalBytes: 0,
  }
  const { run } = await fake(t, ({ change }) => ({
    join: () => {
      change({ learners: [learner] })
      const members = chain('shard_0', 0, [...MEMBERS, learner.address]).members
      setTimeout(() => change({ learners: [], members }), 300)
      return { shards: ['shard_0'] }
    },
  }))
  const joined = await run('node', 'join', learner.address)
  t.is(joined.stdout, '127.0.0.1:9 joined: tail of shard_0\n', joined.stderr)
  const late = await fake(t, ({ change }) => ({
    join: () => {
      change({ learners: [{ ...learner, baseReceivedBytes: 1_000, baseTotalBytes: 4_000 }] })
      return { shards: ['shard_0'] }
    },
  }))
  const stuck = await late.run('node', 'join', learner.address, '--wait', '300ms')
  t.is(stuck.exitCode, 3)
  t.regex(
    stuck.stderr,
    /not a member of shard_0 \(base 1\.0 kB of 4\.0 kB \(25 %\)\) after 300 ms; it goes on/,
  )
})

test.serial('a node that does not run may hold replicas again, and nobody waits for it', async t => {
  const { run } = await fake(t, () => ({
    join: () => ({ shards: ['shard_0'] }),
    listNodes: () => ({ nodes: [info({ address: '127.0.0.1:9', state: 'gone' })] }),
  }))
  const joined = await run('node', 'join', '127.0.0.1:9')
  t.is(joined.exitCode, 0, joined.stderr)
  t.is(
    joined.stdout,
    '127.0.0.1:9 may hold replicas, but does not run: `varve node start 127.0.0.1:9` starts it\n',
  )
})

test.serial('a node without a named shard is waited for only where a replica is missing', async t => {
  const { run } = await fake(t, () => ({ join: () => ({ shards: ['shard_0', 'shard_1'] }) }))
  const joined = await run('node', 'join', '127.0.0.1:9')
  t.is(joined.stdout, '127.0.0.1:9 may hold replicas; no shard lacks one now\n', joined.stderr)
})

test.serial('a node of another cluster, and a coordinator, are not asked to join', async t => {
  const { run, coordinator } = await fake(t, () => ({}))
  const stranger = await new FakeNode().start()
  t.teardown(() => stranger.server.stop())
  const status = stranger.host.status.bind(stranger.host)
  stranger.host.status = () => ({ ...status(), clusterId: 'c2' })
  const other = await run('node', 'join', stranger.address)
  t.is(other.exitCode, 2)
  t.regex(other.stderr, /is a node of cluster c2, this is cluster c1: start a node of this one with/)
  const own = coordinator.host.status.bind(coordinator.host)
  coordinator.host.status = () => ({ ...own(), role: 'coordinator' })
  t.regex((await run('node', 'join', coordinator.address)).stderr, /is a coordinator, expected a node/)
})

test.serial('list shows what the coordinator knows of each node, in JSON all of it', async t => {
  const nodes = [
    info({ replicas: [{ shard: 'shard_0', role: 'head', index: 4 }], clockOffsetMs: 12, left: ['shard_1'] }),
    info({
      address: '127.0.0.1:2',
      state: 'gone',
      silentMs: 65_000,
      clockOffsetMs: -4_000,
      fault: 'its clock is off',
    }),
    info({ address: '127.0.0.1:3', state: 'unknown', version: '' }),
  ]
  const { run } = await fake(t, () => ({ listNodes: () => ({ nodes }) }))
  const { stdout } = await run('node', 'list')
  t.regex(stdout, /127\.0\.0\.1:1 +alive +77 +0\.1\.0 +head: shard_0; left: shard_1 +\+12 ms +30 ms$/m)
  t.regex(stdout, /127\.0\.0\.1:2 +gone +77 +0\.1\.0 +none +-4,000 ms +1m 5s +its clock is off$/m)
  t.regex(stdout, /127\.0\.0\.1:3 +unknown +none$/m)
  const json = JSON.parse((await run('node', 'list', '-o', 'json')).stdout)
  t.like(json.nodes[1], { state: 'gone', silentMs: 65_000, fault: 'its clock is off' })
  t.like(json.nodes[2], { incarnation: null, clockOffsetMs: null, silentMs: null, fault: null })
})

test.serial(
  'recover without the flag says what would be lost, and asks the coordinator for nothing',
  async t => {
    const replica = (index: number) => [{ shard: 'shard_0', role: 'none', index }]
    const { run, change } = await fake(t, () => ({
      listNodes: () => ({
        nodes: [
          info({ state: 'gone', replicas: replica(150) }),
          info({ address: '127.0.0.1:2', replicas: replica(120) }),
        ],
      }),
    }))
    const serving = await run('shard', 'recover', 'shard_0')
    t.is(serving.exitCode, 2)
    t.regex(serving.stderr, /^varve: shard_0 serves \(head 127\.0\.0\.1:1\): there is nothing to recover\n$/)
    change({ status: 'WAITING', waitingFor: 'a survivor of epoch 3' })
    const asked = await run('shard', 'recover', 'shard_0')
    t.is(asked.exitCode, 2)
    t.regex(
      asked.stderr,
      /the log of 127\.0\.0\.1:2 ends at 120; lost for good would be entries 121 to 150 and whatever/,
    )
    t.regex(asked.stderr, /--accept-data-loss\n$/)
    const unknown = await run('shard', 'recover', 'shard_9', '--accept-data-loss')
    t.is(unknown.stderr, 'varve: shard "shard_9" given, the cluster has shard_0, shard_1\n')
  },
)

test.serial('recover with the flag says where the log is cut and what is lost', async t => {
  const { run, calls } = await fake(t, ({ calls, change }) => ({
    recover: async request => {
      calls.push(request)
      setTimeout(() => change({ status: 'ACTIVE', epoch: 7 }), 100)
      return { head: MEMBERS[1]!, epoch: 7, cutIndex: 120, lostToIndex: 150 }
    },
  }))
  const done = await run('shard', 'recover', 'shard_0', '--accept-data-loss', '--from', MEMBERS[1]!)
  t.is(
    done.stdout,
    'shard_0: head 127.0.0.1:2, epoch 7, the log is cut at 120; ' +
      '30 entries known to be committed, 121 to 150, lost; now ACTIVE\n',
  )
  t.deepEqual(calls, [{ shard: 'shard_0', acceptDataLoss: true, address: MEMBERS[1] }])
})

test.serial('a coordinator that is down is named, by the command that needs it', async t => {
  const { run, coordinator } = await fake(t, () => ({}))
  coordinator.host.setMap({ ...coordinator.host.shardMap()!, coordinator: '127.0.0.1:1' })
  const list = await run('node', 'list')
  t.is(list.exitCode, 3)
  t.regex(
    list.stderr,
    /^varve: the coordinator 127\.0\.0\.1:1 is needed for this: nobody answers at 127\.0\.0\.1:1\n$/,
  )
})

test.serial('kill refuses what is no node or no role of the shard, and says what there is', async t => {
  const { run, coordinator } = await fake(t, () => ({}))
  const refused: [args: string[], message: RegExp][] = [
    [['MIDDLE'], /--shard is missing: the MIDDLE of which shard\? The cluster has shard_0, shard_1/],
    [['LEAF', '--shard', 'shard_0'], /shard_0 is a chain of 3 replicas without a LEAF: expected HEAD/],
    [['HEAD', '--shard', 'x'], /shard "x" given, the cluster has shard_0, shard_1/],
    [['headd'], /headd given, expected HEAD, MIDDLE, TAIL, LEAF or the address of a node/],
    [[coordinator.address], /is the coordinator, expected a node: 127\.0\.0\.1:1, 127\.0\.0\.1:2/],
    [['HEAD', '--shard', 'shard_0', '--data', tempFolder(t)], /--data: .* holds no Varve cluster/],
  ]
  for (const [args, message] of refused) {
    const end = await run('node', 'kill', ...args)
    t.is(end.exitCode, 2, end.stdout)
    t.regex(end.stderr, message)
  }
})

test.serial('a process that is not verified to be the node is not killed', async t => {
  const { run, change } = await fake(t, () => ({}))
  const member = await new FakeNode().start()
  t.teardown(() => member.server.stop())
  // It says that it has this test's process id, and runs here; but this is no node's process.
  const status = member.host.status.bind(member.host)
  member.host.status = () => ({ ...status(), pid: process.pid, dataDir: '/nowhere' })
  change({ members: [{ address: member.address, upstream: '' }], head: member.address })
  const end = await run('node', 'kill', 'HEAD', '--shard', 'shard_0')
  t.is(end.exitCode, 3, end.stdout)
  t.regex(end.stderr, /is not its process on this machine: kill it where it runs/)
})

test.serial('start refuses what does not go together', async t => {
  const refused: [args: string[], message: RegExp][] = [
    [[], /holds no Varve cluster/],
    [['--new', '127.0.0.1:1'], /holds no Varve cluster/],
  ]
  for (const [args, message] of refused) {
    const end = await varve(['node', 'start', ...args, '--data', tempFolder(t)])
    t.is(end.exitCode, 2)
    t.regex(end.stderr, message)
  }
})
