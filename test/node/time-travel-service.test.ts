import test from 'ava'
import { connect } from '../../src/client/client.js'
import type { ShardMap } from '../../src/generated/varve/v1/cluster.js'
import type { DeleteRequest, ScanItem, ScanRequest, WatchResponse } from '../../src/generated/varve/v1/kv.js'
import type { Cut, Moment } from '../../src/generated/varve/v1/time_travel.js'
import { LogRecord } from '../../src/log/record-codec.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { Random } from '../../tools/random.js'
import { ask, context, del, errorOf, header, keysOf, scan, set } from './support/kv-calls.js'
import {
  addTag,
  all,
  getAt,
  index,
  lamport,
  listTags,
  newest,
  type PastClient,
  pastClient,
  removeTag,
  resolve,
  tag,
  wall,
} from './support/past-calls.js'

const NOTHING = Buffer.alloc(0)
const history = { toIndex: 0, fromIndex: 0, limit: 0, tentative: false }

test.serial(
  'a moment resolves to one index of each shard, at any process, and always to the same',
  async t => {
    await using cluster = await startLocalCluster({ shards: 2, replicas: 2 })
    const clients = [...cluster.endpoints, cluster.coordinator].map(address => pastClient(t, address))
    const [first] = clients
    const [a, b] = [keysOf(0, 1)[0]!, keysOf(1, 1)[0]!]
    await set(first!.kv, a, '1')
    const written = await set(first!.kv, b, '2')
    const at = lamport(written.position!.stamp!.lamport)
    const answer = await resolve(first!, at)
    t.deepEqual(
      answer.cuts.map(({ shard }) => shard),
      ['shard_0', 'shard_1'],
    )
    await set(first!.kv, a, '3')
    await set(first!.kv, b, '4')
    for (const client of clients) {
      t.deepEqual(await resolve(client, at), answer)
      t.is((await getAt(client, a, at)).value.toString(), '1')
      t.is((await getAt(client, b, at)).value.toString(), '2')
      const page = await scan(client.kv, { at })
      t.deepEqual(page.items.map(item => item.value.toString()).sort(), ['1', '2'])
      t.deepEqual(page.cuts, answer.cuts)
    }
  },
)

test.serial('asking for the newest again and again writes nothing more', async t => {
  await using cluster = await startLocalCluster({ shards: 3 })
  const client = pastClient(t, cluster.coordinator)
  await set(client.kv, 'x', '1')
  const answer = await resolve(client, newest)
  await resolve(client, newest)
  const lengths = async () => {
    const cuts = await Promise.all(
      cluster.endpoints.map(address => all(pastClient(t, address).cluster.readRecords(records('shard_0')))),
    )
    return cuts.map(messages => messages.flatMap(message => message.records).length)
  }
  const before = await lengths()
  for (let round = 0; round < 5; round += 1) t.deepEqual(await resolve(client, newest), answer)
  t.deepEqual(await lengths(), before)
  const at = await getAt(client, 'x', newest)
  t.is(at.value.toString(), '1')
})

const records = (shard: string) => ({ shard, fromIndex: 0, toIndex: 0 })

/** All pages of a scan. */
async function scanAll(client: PastClient, request: Partial<ScanRequest>) {
  const items: ScanItem[] = []
  let { start = NOTHING, end = NOTHING } = request
  for (;;) {
    const page = await scan(client.kv, { ...request, start, end })
    items.push(...page.items)
    const last = page.items.at(-1)
    if (!page.more || last === undefined) return items
    if (request.reverse === true) end = last.key
    else start = Buffer.concat([last.key, Buffer.of(0)])
  }
}

/** A client that writes here and there and takes what it has seen along. */
interface Wanderer {
  readonly seen: Map<string, number>
  lamport: number
}

test.serial('whatever a cut holds, it holds all that its writer had seen', async t => {
  await using cluster = await startLocalCluster({ shards: 3, replicas: 1 })
  const clients = cluster.endpoints.map(address => pastClient(t, address))
  const random = new Random(20_260_101)
  const keys = [0, 1, 2].flatMap(ordinal => keysOf(ordinal, 3, 3))
  const wanderers = Array.from({ length: 4 }, (): Wanderer => ({ seen: new Map(), lamport: 0 }))
  const writes: {
    shard: string
    index: number
    lamport: number
    wallMs: number
    after: Map<string, number>
  }[] = []
  const write = async (wanderer: Wanderer) => {
    const token = { parts: [], stamp: { lamport: wanderer.lamport, wallMs: 0 } }
    const { kv } = random.pick(clients)
    const after = new Map(wanderer.seen)
    const { position } = await set(kv, random.pick(keys), 'v', { context: context({ token }) })
    const { shard, stamp } = position!
    wanderer.lamport = stamp!.lamport
    wanderer.seen.set(shard, position!.index)
    writes.push({ shard, index: position!.index, ...stamp!, after })
  }
  const moments: Moment[] = []
  const cuts: Cut[][] = []
  for (let round = 0; round < 40; round += 1) {
    await Promise.all(wanderers.map(write))
    if (random.chance(0.3)) {
      // One tells another what it knows.
      const [one, other] = random.shuffled(wanderers)
      for (const [shard, at] of one!.seen) other!.seen.set(shard, Math.max(at, other!.seen.get(shard) ?? 0))
      other!.lamport = Math.max(one!.lamport, other!.lamport)
    }
    const some = random.pick(writes)
    const kind = random.pick(['wall', 'lamport', 'index', 'newest'])
    const moment =
      kind === 'wall'
        ? wall(some.wallMs)
        : kind === 'lamport'
          ? lamport(some.lamport - random.below(2))
          : kind === 'index'
            ? index(some.shard, some.index)
            : newest
    moments.push(moment)
    cuts.push((await resolve(random.pick(clients), moment)).cuts)
  }
  for (const [at, moment] of moments.entries()) {
    const held = new Map(cuts[at]!.map(cut => [cut.shard, cut.index]))
    for (const { shard, index, after } of writes) {
      if (index > held.get(shard)!) continue
      for (const [other, seen] of after) t.true(seen <= held.get(other)!, `${JSON.stringify(moment)}`)
    }
    if (moment.moment!.$case !== 'newest') t.deepEqual((await resolve(clients[0]!, moment)).cuts, cuts[at])
  }
})

test.serial('get and scan at any moment say what a model says that kept every version', async t => {
  await using cluster = await startLocalCluster({ shards: 2, replicas: 2 })
  const clients = [...cluster.endpoints, cluster.coordinator].map(address => pastClient(t, address))
  const random = new Random(7)
  const keys = [...keysOf(0, 6), ...keysOf(1, 6)].sort()
  const states: { lamport: number; wallMs: number; state: Map<string, string> }[] = []
  const state = new Map<string, string>()
  for (let round = 0; round < 100; round += 1) {
    const { kv } = random.pick(clients)
    const key = random.pick(keys)
    const token = { parts: [], stamp: { lamport: states.at(-1)?.lamport ?? 0, wallMs: 0 } }
    const value = `${key}-${round}`
    const isDelete = random.chance(0.2)
    const request = { context: context({ token }), key: Buffer.from(key), condition: undefined }
    const { position } = isDelete
      ? await ask<Awaited<ReturnType<typeof del>>>(done =>
          kv.delete({ ...request, returnPrevious: false } satisfies DeleteRequest, done),
        )
      : await set(kv, key, value, { context: context({ token }) })
    if (isDelete) state.delete(key)
    else state.set(key, value)
    states.push({ ...position!.stamp!, state: new Map(state) })
  }
  for (let round = 0; round < 40; round += 1) {
    const client = random.pick(clients)
    const chosen = random.pick(states)
    const useWall = random.chance(0.4)
    const moment = useWall ? wall(chosen.wallMs) : lamport(chosen.lamport)
    // Of several at one millisecond it is the last.
    const model = useWall ? states.filter(({ wallMs }) => wallMs === chosen.wallMs).at(-1)! : chosen
    const key = random.pick(keys)
    const got = await getAt(client, key, moment)
    t.is(got.found ? got.value.toString() : undefined, model.state.get(key))
    const reverse = random.chance(0.3)
    const items = await scanAll(client, { at: moment, limit: 3, reverse })
    const shown = items.map(item => [`${item.key}`, `${item.value}`])
    const expected = [...model.state].sort(([one], [other]) => (one < other ? -1 : 1))
    t.deepEqual(shown, reverse ? expected.reverse() : expected)
  }
})

test.serial('an answer stays the same under another head', async t => {
  await using cluster = await startLocalCluster({ shards: 1, replicas: 3 })
  const admin = pastClient(t, cluster.coordinator)
  await set(admin.kv, 'x', '1')
  const { position } = await set(admin.kv, 'x', '2')
  await set(admin.kv, 'x', '3')
  const moments = [newest, wall(position!.stamp!.wallMs), lamport(position!.stamp!.lamport)]
  const answers = await Promise.all(moments.map(moment => resolve(admin, moment)))
  const fixed = answers.map(({ moment }) => moment!)
  const { head, epoch } = cluster.shardMap().shards[0]!
  await ask(done => admin.cluster.leave({ address: head, shard: '', force: false }, done))
  const isLed = ({ shards: [shard] }: ShardMap) => shard!.epoch > epoch && shard!.status === 'ACTIVE'
  while (!isLed(cluster.shardMap())) await new Promise(resolve => setTimeout(resolve, 20))
  t.not(cluster.shardMap().shards[0]!.head, head)
  await set(admin.kv, 'x', '4')
  const again = await Promise.all(fixed.map(moment => resolve(admin, moment)))
  t.deepEqual(
    again.map(({ cuts }) => cuts),
    answers.map(({ cuts }) => cuts),
  )
  t.is((await getAt(admin, 'x', fixed[2]!)).value.toString(), '2')
})

test.serial('a moment that cannot be read is refused with what could be', async t => {
  await using cluster = await startLocalCluster({ shards: 2 })
  const client = pastClient(t, cluster.coordinator)
  await set(client.kv, 'x', '1')
  const refused = async (moment: Moment, code: string, text: RegExp) => {
    for (const call of [
      () => resolve(client, moment),
      () => getAt(client, 'x', moment),
      () => scan(client.kv, { at: moment }),
    ]) {
      const error = await errorOf(call())
      t.is(header(error, 'varve-code'), code)
      t.regex(error.details, text)
    }
  }
  await refused(wall(Date.now() + 60_000), 'OUT_OF_RANGE', /still to come: the newest time of shard_[01] is /)
  await refused(lamport(1e9), 'OUT_OF_RANGE', /^lamport:1000000000 is still to come: .*Lamport \d+, index \d/)
  await refused(index('shard_0', 999), 'OUT_OF_RANGE', /^index:shard_0\/999 is still to come/)
  await refused(wall(1_000), 'OUT_OF_RANGE', /before the first entry, which is of 20.*Z \(Lamport 1\)/)
  await refused(lamport(0), 'OUT_OF_RANGE', /before the first entry/)
  await refused(wall(9e15), 'INVALID_ARGUMENT', /expected milliseconds since 1970/)
  await refused(index('shard_7', 1), 'UNKNOWN_SHARD', /the cluster has: shard_0, shard_1/)
  await refused(tag('no-such'), 'FAILED_PRECONDITION', /there is no tag no-such/)
  await refused(tag('a/b'), 'INVALID_ARGUMENT', /a tag's name is "a\/b"/)
  await refused({ moment: undefined }, 'INVALID_ARGUMENT', /expected one of/)
})

test.serial('a tag names a moment in all shards, and cannot come to name another', async t => {
  await using cluster = await startLocalCluster({ shards: 2, replicas: 2 })
  const client = pastClient(t, cluster.endpoints[0]!)
  const other = pastClient(t, cluster.coordinator)
  await set(client.kv, 'x', '1')
  const added = await addTag(client, 'before', newest, 'ada')
  await set(client.kv, 'x', '2')
  t.like(added, { name: 'before', actor: 'ada' })
  t.is(added.moment?.moment?.$case, 'lamport')
  t.is((await getAt(other, 'x', tag('before'))).value.toString(), '1')
  t.deepEqual((await resolve(other, tag('before'))).moment, added.moment)
  t.deepEqual(await addTag(other, 'before', added.moment!, 'bob'), added, 'the same again changes nothing')
  const taken = await errorOf(addTag(other, 'before', newest))
  t.is(header(taken, 'varve-code'), 'FAILED_PRECONDITION')
  t.regex(taken.details, /tag before stands for lamport:\d+/)
  const later = await addTag(other, 'after', wall(added.stamp!.wallMs))
  t.deepEqual(await listTags(client), [later, added])
  t.deepEqual(await removeTag(client, 'before'), { removed: true })
  t.deepEqual(await removeTag(client, 'before'), { removed: false })
  t.deepEqual(await listTags(other), [later])
  const refused = await errorOf(addTag(client, 'late', wall(Date.now() + 60_000)))
  t.is(header(refused, 'varve-code'), 'OUT_OF_RANGE')
})

test.serial('keys that the cluster keeps for itself are neither written nor seen by users', async t => {
  await using cluster = await startLocalCluster({ shards: 1 })
  const client = pastClient(t, cluster.endpoints[0]!)
  await using db = await connect(cluster.endpoints)
  await db.set('a', '1')
  const start = await resolve(client, newest)
  await addTag(client, 'here', newest, 'ada')
  await db.set('\0v', 'mine')
  const { cuts } = await resolve(client, newest)
  const range = { start: NOTHING, end: NOTHING }
  const inside = { start: Buffer.from('\0varve/'), end: Buffer.from('\0varve0') }
  await t.throwsAsync(db.set('\0varve/tag', 'x'), { code: 'INVALID_ARGUMENT' })
  t.is(header(await errorOf(del(client.kv, '\0varve/tag/{0}/here')), 'varve-code'), 'INVALID_ARGUMENT')
  const seen = async (more: object) => (await scanAll(client, more)).map(({ key }) => key.toString())
  t.deepEqual(await seen({}), ['\0v', 'a'])
  t.deepEqual(await seen({ reverse: true }), ['a', '\0v'])
  t.deepEqual(await seen({ at: newest }), ['\0v', 'a'])
  t.deepEqual(await seen({ at: newest, reverse: true }), ['a', '\0v'])
  t.deepEqual(await seen(inside), ['\0varve/tag/{0}/here'])
  t.deepEqual(await seen({ at: newest, ...inside }), ['\0varve/tag/{0}/here'])
  const { shard, index: toIndex } = cuts[0]!
  const diff = (keys: typeof range) =>
    all(client.timeTravel.diff({ shard, fromIndex: start.cuts[0]!.index, toIndex, ...keys }))
  const differing = async (keys: typeof range) =>
    (await diff(keys)).flatMap(({ differences }) => differences.map(({ key }) => key.toString()))
  t.deepEqual(await differing(range), ['\0v'])
  t.deepEqual(await differing(inside), ['\0varve/tag/{0}/here'])
  const blame = await all(client.timeTravel.blame({ shard, index: toIndex, ...range }))
  t.deepEqual(
    blame.flatMap(({ entries }) => entries.map(({ key }) => key.toString())),
    ['\0v', 'a'],
  )
  const watched = client.kv.watch({
    context: undefined,
    shard,
    fromIndex: 1,
    prefix: NOTHING,
    tentative: false,
    snapshot: false,
  })
  const keys: string[] = []
  for await (const { entries, throughIndex } of watched as AsyncIterable<WatchResponse>) {
    keys.push(...entries.filter(({ key }) => key.length > 0).map(({ key }) => key.toString()))
    if (throughIndex >= toIndex) break
  }
  t.deepEqual(keys, ['a', '\0v'])
})

test.serial('history, diff and blame come in messages of bounded size', async t => {
  await using cluster = await startLocalCluster({ shards: 1 })
  const client = pastClient(t, cluster.endpoints[0]!)
  await using db = await connect(cluster.endpoints, { actor: 'ada' })
  const big = 'x'.repeat(1_000)
  for (let from = 0; from < 3_000; from += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, at) => db.set('k', `${from + at} ${big}`)))
  }
  await Promise.all(Array.from({ length: 1_500 }, (_, at) => db.set(`many/${at}`, big)))
  const { cuts } = await resolve(client, newest)
  const { shard, index: toIndex } = cuts[0]!
  const key = Buffer.from('k')
  const past = await all(client.timeTravel.history({ shard, key, ...history }))
  t.true(past.length > 10 && past.every(({ entries }) => entries.length <= 300))
  const entries = past.flatMap(message => message.entries)
  t.is(entries.length, 3_000)
  t.deepEqual(
    entries.map(({ value }) => Number.parseInt(value.toString(), 10)),
    Array.from({ length: 3_000 }, (_, at) => 2_999 - at),
  )
  t.like(entries[0], { actor: 'ada', previous: entries[1]!.position!.index })
  const some = await all(client.timeTravel.history({ shard, key, ...history, limit: 2, toIndex: 100 }))
  t.deepEqual(
    some.flatMap(message => message.entries.map(({ position }) => position!.index)),
    [100, 99],
  )
  const changed = await all(
    client.timeTravel.diff({ shard, fromIndex: 2, toIndex, start: NOTHING, end: NOTHING }),
  )
  t.is(changed.flatMap(({ differences }) => differences).length, 1_501)
  t.true(changed.length > 3)
  const blamed = await all(client.timeTravel.blame({ shard, index: toIndex, start: NOTHING, end: NOTHING }))
  t.is(blamed.flatMap(message => message.entries).length, 1_501)
  t.true(blamed.length > 3)
})

test.serial('a process without the shard says who has it, one that is behind says so', async t => {
  await using cluster = await startLocalCluster({ shards: 1 })
  const coordinator = pastClient(t, cluster.coordinator)
  const node = pastClient(t, cluster.endpoints[0]!)
  const range = { start: NOTHING, end: NOTHING }
  const elsewhere = await errorOf(all(coordinator.timeTravel.blame({ shard: 'shard_0', index: 1, ...range })))
  t.is(header(elsewhere, 'varve-code'), 'NOT_MEMBER')
  t.is(header(elsewhere, 'varve-hint'), cluster.endpoints[0])
  const ahead = await errorOf(all(node.timeTravel.blame({ shard: 'shard_0', index: 99, ...range })))
  t.is(header(ahead, 'varve-code'), 'BEHIND')
  const back = { shard: 'shard_0', fromIndex: 2, toIndex: 1, ...range }
  t.is(header(await errorOf(all(node.timeTravel.diff(back))), 'varve-code'), 'INVALID_ARGUMENT')
  const unknown = await errorOf(all(node.timeTravel.blame({ shard: 'x', index: 1, ...range })))
  t.is(header(unknown, 'varve-code'), 'UNKNOWN_SHARD')
})

test.serial('a log can be read as the records that it is stored as', async t => {
  await using cluster = await startLocalCluster({ shards: 1, replicas: 2 })
  const [one, other] = cluster.endpoints.map(address => pastClient(t, address))
  await using db = await connect(cluster.endpoints)
  const value = 'x'.repeat(100_000)
  await Promise.all(Array.from({ length: 40 }, (_, at) => db.set(`k${at}`, value)))
  const messages = await all(one!.cluster.readRecords(records('shard_0')))
  t.true(messages.length > 2, 'about a megabyte each')
  const decoded = messages.flatMap(message => message.records.map(bytes => LogRecord.decode(bytes)))
  t.is(decoded.at(-1)!.lastIndex, 41)
  t.true(messages.at(-1)!.commitIndex >= 41)
  for (const [at, record] of decoded.entries()) {
    if (at > 0) t.deepEqual(record.previousHash, decoded[at - 1]!.hash)
  }
  const same = await all(other!.cluster.readRecords(records('shard_0')))
  t.deepEqual(
    Buffer.concat(same.flatMap(message => message.records)),
    Buffer.concat(messages.flatMap(message => message.records)),
  )
  const part = await all(one!.cluster.readRecords({ shard: 'shard_0', fromIndex: 2, toIndex: 2 }))
  t.is(LogRecord.decode(part[0]!.records[0]!).firstIndex, 2)
  t.deepEqual(await all(one!.cluster.readBase({ shard: 'shard_0' })), [
    { baseIndex: 0, hash: NOTHING, sizeBytes: 0, chunk: NOTHING },
  ])
})

test.serial('retention rules are the same for all shards, and replaced as a whole', async t => {
  await using cluster = await startLocalCluster({ shards: 2 })
  const client: PastClient = pastClient(t, cluster.coordinator)
  const { timeTravel } = client
  const read = () => ask(done => timeTravel.getRetention({}, done))
  t.deepEqual(await read(), { rules: [] })
  const rules = [
    { prefix: NOTHING, ageMs: 0, entries: 1_000_000 },
    { prefix: Buffer.from([0xff, 0]), ageMs: 3_600_000, entries: 0 },
  ]
  const answer = await ask(done => timeTravel.setRetention({ retention: { rules }, actor: 'ada' }, done))
  t.deepEqual(answer, { rules })
  t.deepEqual(await read(), { rules })
  const twice = { rules: [rules[0]!, rules[0]!] }
  const error = await errorOf(ask(done => timeTravel.setRetention({ retention: twice, actor: '' }, done)))
  t.is(header(error, 'varve-code'), 'INVALID_ARGUMENT')
  await ask(done => timeTravel.setRetention({ retention: { rules: [] }, actor: '' }, done))
  t.deepEqual(await read(), { rules: [] })
})
