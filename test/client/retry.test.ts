import test, { type ExecutionContext } from 'ava'
import { RequestKind } from '../../src/client/session-frame.js'
import { type ConnectOptions, connect, VarveError } from '../../src/index.js'
import { FakeCluster, type FakeSession } from './fake-cluster.js'
import { until } from './until.js'

async function start(
  t: ExecutionContext,
  shape: { shards?: number; nodes?: number },
  options: ConnectOptions = {},
) {
  const cluster = await FakeCluster.start(shape)
  const db = await connect<'utf8', 'utf8'>(cluster.addresses, options as ConnectOptions<'utf8', 'utf8'>)
  t.teardown(async () => {
    await db.close()
    cluster.stop()
  })
  return { cluster, db }
}

const isWrite = (frame: Buffer) => frame[1] === RequestKind.WRITES
const firstId = (frame: Buffer) => frame.readDoubleLE(16)

test('writes whose answer was lost with the stream go again under the same sequences and are done once', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('before', '0')
  let cuts = 0
  cluster.nodes[0]!.intercept = (frame, session) => {
    if (!isWrite(frame) || cuts++ > 0) return false
    session.node.handle(frame, session)
    session.cut()
    return true
  }
  const frames = cluster.frames.length
  const results = await Promise.all(Array.from({ length: 20 }, (_, k) => db.set(`key${k}`, `${k}`)))
  const sent = cluster.frames.slice(frames).filter(isWrite)
  t.is(sent.length, 2)
  t.deepEqual(sent.map(firstId), [2, 2])
  t.deepEqual(
    results.map(result => result.index),
    Array.from({ length: 20 }, (_, k) => k + 2),
  )
  t.is(cluster.shards[0]!.entries.length, 21)
  const ids = cluster.nodes[0]!.sessions.map(session => session.clientId.toString('hex'))
  t.is(new Set(ids).size, 1)
})

test('a stream that is cut again and again loses and doubles nothing', async t => {
  const { cluster, db } = await start(t, { shards: 2 })
  let frames = 0
  cluster.nodes[0]!.intercept = (frame, session) => {
    frames++
    if (frames % 7 === 3) session.node.handle(frame, session)
    if (frames % 7 === 3 || frames % 7 === 5) session.cut()
    return frames % 7 === 3 || frames % 7 === 5
  }
  const keys = Array.from({ length: 300 }, (_, k) => `key${k}`)
  for (let from = 0; from < keys.length; from += 30) {
    await Promise.all(keys.slice(from, from + 30).map(key => db.set(key, key)))
  }
  t.is(
    cluster.shards.reduce((sum, shard) => sum + shard.entries.length, 0),
    300,
  )
  t.deepEqual(await Promise.all(keys.map(key => db.get(key))), keys)
})

test('a node that is head no more sends the client to the head that it names', async t => {
  const { cluster, db } = await start(t, { nodes: 2 })
  const [old, next] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]]
  await db.set('a', '1')
  cluster.moveHead(0, next.address, false)
  const before = old.frames.length
  t.like(await db.set('a', '2'), { index: 2, epoch: 2 })
  t.deepEqual(old.frames.slice(before).filter(isWrite).map(firstId), [2])
  t.deepEqual(next.frames.filter(isWrite).map(firstId), [2])
  await db.set('a', '3')
  t.is(old.frames.length, before + 1, 'later writes go to the new head straight away')
})

test('a change of the map sends what is in flight at a silent head to the new one', async t => {
  const { cluster, db } = await start(t, { nodes: 2 })
  const [old, next] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]]
  await db.set('a', '1')
  old.intercept = isWrite
  const writing = db.set('a', '2')
  await until(() => old.frames.length === 2)
  cluster.moveHead(0, next.address, true)
  t.like(await writing, { index: 2, epoch: 2 })
})

test('what waits for a head that went silent goes to the new one, though the map was followed at the old', async t => {
  const cluster = await FakeCluster.start({ nodes: 3 })
  const [old, next] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]]
  // Only the old head is known at first: the map is followed there.
  const db = await connect(old.address, { timeoutMs: 30_000 })
  t.teardown(async () => {
    await db.close()
    cluster.stop()
  })
  await db.set('a', '1')
  t.is(await db.get('a'), '1')
  old.isSilent = true
  const before = old.frames.length
  const calls = [db.set('a', '2'), db.get('b', { consistency: 'strong' })] as const
  await until(() => old.frames.length === before + 2)
  cluster.moveHead(0, next.address, true)
  t.like(await calls[0], { index: 2, epoch: 2 })
  t.is(await calls[1], undefined)
  t.is(old.sessions.length, 1, 'its connection stands: nothing broke that could have told')
})

test('a refusal that may pass is tried again, in ascending sequences, with what was issued meanwhile behind it', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('a', '1')
  let refusals = 0
  let open = false
  cluster.nodes[0]!.intercept = (frame, session) => {
    // A write that was refused is let in before those behind it.
    open ||= refusals >= 3 && firstId(frame) === 2
    if (!isWrite(frame) || open) return false
    refusals++
    const full = new VarveError('RESOURCE_EXHAUSTED', 'too many tentative bytes', { outcome: 'failed' })
    session.node.refuse(frame, session, full)
    return true
  }
  const first = db.set('k', 'first')
  await until(() => refusals > 0)
  const second = db.set('k', 'second')
  t.like(await first, { index: 2 })
  t.like(await second, { index: 3 })
  const [, ...tries] = cluster.frames.filter(isWrite).map(firstId)
  t.true(tries.every(id => id === 2 || id === 3))
  t.is(await db.get('k'), 'second')
})

test("a refusal that cannot pass rejects the write at once, with the node's words", async t => {
  const { cluster, db } = await start(t, {})
  cluster.nodes[0]!.intercept = (frame, session) => {
    session.node.refuse(frame, session, new VarveError('DATA_LOSS', 'record 7 of shard_0 is damaged'))
    return true
  }
  const error = (await t.throwsAsync(db.set('a', '1'), { code: 'DATA_LOSS' })) as VarveError
  t.like(error, { outcome: 'failed', retryable: false, message: 'record 7 of shard_0 is damaged' })
  await t.throwsAsync(db.get('a'), { code: 'DATA_LOSS' })
})

test('a write that was sent and not answered in time ends as unknown, and later ones go on', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('before', '0')
  cluster.nodes[0]!.intercept = () => true
  const error = (await t.throwsAsync(db.set('a', '1', { timeoutMs: 2_000 }))) as VarveError
  t.like(error, { code: 'DEADLINE_EXCEEDED', outcome: 'unknown', retryable: true })
  t.regex(
    error.message,
    /a write to shard_0 was not answered within 2000 ms; it may or may not have happened/,
  )
  await t.throwsAsync(db.get('a', { timeoutMs: 2_000 }), {
    code: 'DEADLINE_EXCEEDED',
    message: /a read of shard_0/,
  })
  await t.throwsAsync(db.batch([{ type: 'delete', key: 'a' }], { timeoutMs: 2_000 }), {
    message: /a batch to shard_0/,
  })
  cluster.nodes[0]!.intercept = undefined
  t.like(await db.set('b', '1'), { index: 2 })
  const last = cluster.frames.at(-1)!
  t.deepEqual([firstId(last), last.readDoubleLE(24)], [4, 4], 'what was given up is not waited for')
})

test('a write that never reached the head ends as failed, and says what held it up', async t => {
  const { cluster, db } = await start(t, {})
  cluster.shards[0]!.head = ''
  cluster.moveHead(0, '', true)
  await until(() => db.shardMap().shards[0]!.head === '')
  const error = (await t.throwsAsync(db.set('a', '1', { timeoutMs: 2_000 }))) as VarveError
  t.like(error, { code: 'DEADLINE_EXCEEDED', outcome: 'failed' })
  t.regex(error.message, /last: UNAVAILABLE: shard_0 has no head now/)
})

test('a refused write that runs out of time has failed, one that was lost before is unknown', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('before', '0')
  const busy = new VarveError('UNAVAILABLE', '1 of 2 in-sync members', { outcome: 'failed' })
  cluster.nodes[0]!.intercept = (frame, session) => {
    session.node.refuse(frame, session, busy)
    cluster.moveHead(0, '', true)
    return true
  }
  const refused = (await t.throwsAsync(db.set('a', '1', { timeoutMs: 3_000 }))) as VarveError
  t.is(refused.outcome, 'failed')
  t.regex(refused.message, /last: UNAVAILABLE: /)
  cluster.moveHead(0, cluster.addresses[0]!, true)
  let lost = false
  cluster.nodes[0]!.intercept = (frame, session) => {
    if (lost) session.node.refuse(frame, session, busy)
    else session.cut()
    lost = true
    return true
  }
  const unknown = (await t.throwsAsync(db.set('a', '1', { timeoutMs: 3_000 }))) as VarveError
  t.is(unknown.outcome, 'unknown')
})

test('a batch that was answered in part before the stream was cut goes again as a whole', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('a', '0')
  const held: Buffer[] = []
  let cutting: FakeSession | undefined
  cluster.nodes[0]!.intercept = (frame, session) => {
    held.push(frame)
    if (held.length > 1) return false
    // The first of the two is answered, as a run of one; then the stream breaks.
    const answer = Buffer.alloc(64)
    answer.set([1, 1])
    answer.writeUInt32LE(1, 4)
    answer.writeDoubleLE(1, 8)
    answer.writeDoubleLE(firstId(frame), 16)
    answer.writeDoubleLE(2, 32)
    session.stream.write({ welcome: undefined, frames: [answer] }, () => {
      cutting = session
    })
    return true
  }
  const writing = db.batch([
    { type: 'set', key: 'a', value: '1' },
    { type: 'set', key: 'b', value: '2' },
  ])
  await until(() => cutting !== undefined)
  cutting!.cut()
  const { results } = await writing
  t.is(results.length, 2)
  t.deepEqual(
    held.map(frame => [firstId(frame), frame.readUInt32LE(4)]),
    [
      [2, 2],
      [2, 2],
    ],
  )
})

test('a client that a shard has forgotten takes a new id for what was certainly not done', async t => {
  const { cluster, db } = await start(t, { shards: 2 })
  await Promise.all(['a', 'b', 'c', 'd'].map(key => db.set(key, '1')))
  const known = cluster.nodes[0]!.sessions[0]!.clientId
  const expired = new VarveError('SESSION_EXPIRED', 'unknown client', { outcome: 'failed' })
  cluster.nodes[0]!.intercept = (frame, session) => {
    if (!isWrite(frame) || !session.clientId.equals(known)) return false
    session.node.refuse(frame, session, expired)
    return true
  }
  const results = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(key => db.set(key, '2')))
  t.true(results.every(result => result.applied))
  t.false(cluster.nodes[0]!.sessions.at(-1)!.clientId.equals(known))
  t.is(
    cluster.shards.reduce((sum, shard) => sum + shard.entries.length, 0),
    9,
  )
  t.is(await db.get('e'), '2')
})

test('a write that may have been done under a forgotten id ends as unknown', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('a', '1')
  const known = cluster.nodes[0]!.sessions[0]!.clientId
  let cut = false
  cluster.nodes[0]!.intercept = (frame, session) => {
    if (!isWrite(frame) || !session.clientId.equals(known)) return false
    const expired = new VarveError('SESSION_EXPIRED', 'unknown client', { outcome: 'failed' })
    if (cut) session.node.refuse(frame, session, expired)
    else session.cut()
    cut = true
    return true
  }
  const error = (await t.throwsAsync(db.set('a', '2'), { code: 'SESSION_EXPIRED' })) as VarveError
  t.is(error.outcome, 'unknown')
  t.like(await db.set('a', '3'), { index: 2 })
})

test('reads whose stream was cut are asked again', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  await db.set('a', '1')
  for (const node of cluster.nodes) {
    let cut = false
    node.intercept = (_, session) => {
      if (cut) return false
      cut = true
      session.cut()
      return true
    }
  }
  const consistencies = ['strong', 'weak', 'session'] as const
  t.deepEqual(await Promise.all(consistencies.map(consistency => db.get('a', { consistency }))), [
    '1',
    '1',
    '1',
  ])
})

test('weak reads stay with one replica, and go to another when that one fails', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  await db.set('a', '1')
  const nodes = new Set<string>()
  for (let k = 0; k < 20; k++) nodes.add((await db.getEntry('a', { consistency: 'weak' })).node)
  t.is(nodes.size, 1)
  const [gone] = [...nodes]
  cluster.nodes.find(node => node.address === gone)!.stop()
  t.not((await db.getEntry('a', { consistency: 'weak' })).node, gone)
})

test('a replica that is asked by address answers itself or the call fails', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  await db.set('a', '1')
  cluster.nodes[2]!.appliedMax = 0
  for (const { address } of cluster.nodes) {
    t.is((await db.getEntry('a', { consistency: 'weak', replica: address })).node, address)
  }
  t.is(await db.get('a', { consistency: 'weak', replica: cluster.addresses[2]! }), undefined)
  await t.throwsAsync(db.get('a', { consistency: 'session', replica: cluster.addresses[2]! }), {
    code: 'BEHIND',
  })
  cluster.nodes[2]!.stop()
  await t.throwsAsync(db.get('a', { replica: cluster.addresses[2]! }), { code: 'UNAVAILABLE' })
})

test('a session read that a replica is behind for is answered by the head: clients read their writes', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  for (const node of cluster.nodes.slice(1)) node.appliedMax = 0
  for (let k = 1; k <= 20; k++) {
    await db.set('a', `${k}`)
    t.is(await db.get('a', { consistency: 'session' }), `${k}`)
  }
})

test('what one client has seen, another one reads with its token', async t => {
  const { cluster, db } = await start(t, { nodes: 3 })
  await db.set('a', '1')
  const token = JSON.parse(JSON.stringify(db.token()))
  t.deepEqual(token.shards, { shard_0: { epoch: 1, index: 1 } })
  for (const node of cluster.nodes.slice(1)) node.appliedMax = 0
  const other = await connect(cluster.addresses, { token, consistency: 'session' })
  t.teardown(() => other.close())
  for (let k = 0; k < 10; k++) t.is(await other.get('a'), '1')
  const alien = { ...token, shards: { shard_9: { epoch: 1, index: 1 } } }
  await t.throwsAsync(connect(cluster.addresses, { token: alien }), {
    code: 'UNKNOWN_SHARD',
    message: /shard "shard_9", the cluster has: shard_0/,
  })
})

test('a lost token is reported once, then reading goes on from what is there', async t => {
  const { cluster, db } = await start(t, {})
  await db.set('a', '1')
  cluster.nodes[0]!.intercept = (frame, session) => {
    if (isWrite(frame) || frame.readDoubleLE(24) === 0) return false
    session.node.refuse(frame, session, new VarveError('TOKEN_LOST', 'epoch 1 ended at 0'))
    return true
  }
  await t.throwsAsync(db.get('a', { consistency: 'session' }), { code: 'TOKEN_LOST' })
  t.is(await db.get('a', { consistency: 'session' }), '1')
})

test('an answer that cannot be read ends the session, and the calls go again', async t => {
  const { cluster, db } = await start(t, {})
  let bent = false
  cluster.nodes[0]!.intercept = (_, session) => {
    if (bent) return false
    bent = true
    session.send(Buffer.from('nonsense'))
    return true
  }
  t.like(await db.set('a', '1'), { index: 1 })
  t.is(cluster.nodes[0]!.sessions.length, 2)
})

test('a shard map of later epochs counts, however low its revision: a coordinator’s clock went back', async t => {
  const { cluster, db } = await start(t, { nodes: 2 })
  cluster.revision = 1_000_000
  cluster.moveHead(0, cluster.addresses[1]!, true)
  await until(() => db.shardMap().shards[0]!.head === cluster.addresses[1])
  cluster.revision = 5
  cluster.moveHead(0, cluster.addresses[0]!, true)
  await until(() => db.shardMap().shards[0]!.head === cluster.addresses[0])
  t.is(db.shardMap().revision, 6)
})
