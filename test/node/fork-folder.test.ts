import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { type Entry, EntryFlag, Operation } from '../../src/log/entry.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { baseBlobName } from '../../src/log/log-base.js'
import { nullLogger } from '../../src/log/logger.js'
import { makeLocalConfig, nodesOf, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { type ForkedShard, headOfRecord, writeFork } from '../../src/node/fork-folder.js'
import { onFreePorts } from '../../src/node/free-ports.js'
import { startLocalCluster } from '../../src/node/local-cluster.js'
import { openProjection } from '../../src/projection/checkpoint.js'
import { trimLog } from '../../src/projection/trim.js'
import { collect } from '../log/record-chain.js'

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'varve-fork-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A stopped cluster of two shards whose keys were written several times, some in batches. */
async function original(t: ExecutionContext): Promise<string> {
  const dataDir = folder(t)
  await using cluster = await startLocalCluster({ shards: 2, replicas: 1, dataDir })
  const client = await connect([...cluster.endpoints], { actor: 'ada' })
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(Array.from({ length: 20 }, (_, at) => client.set(`key/${at}`, `${round}/${at}`)))
    const batch = ['a', 'b', 'c'].map(name => `{batch}${name}`)
    await client.batch(batch.map(key => ({ type: 'set' as const, key, value: String(round) })))
    await client.delete(`key/${round}`)
  }
  await client.close()
  return dataDir
}

/** What the entries make of each key, as a plain model has it. */
function stateOf(entries: readonly Entry[]): Map<string, string> {
  const state = new Map<string, string>()
  for (const { operation, key, value } of entries) {
    if (operation === Operation.SET) state.set(key.toString(), value.toString())
    if (operation === Operation.DELETE) state.delete(key.toString())
  }
  return state
}

async function openNode(dataDir: string): Promise<LevelLogStore> {
  return await LevelLogStore.open({ dir: join(dataDir, 'node-1'), logger: nullLogger })
}

async function entriesOf(store: LevelLogStore, shard: number): Promise<Entry[]> {
  const records = await collect(store.log(shard).records(0))
  return records.flatMap(record => Array.from({ length: record.count }, (_, slot) => record.entry(slot)))
}

/** Writes a fork of the node's logs in the layout of a local cluster. */
async function forkOf(t: ExecutionContext, store: LevelLogStore, cuts: readonly number[]): Promise<string> {
  const dataDir = folder(t)
  const config = await onFreePorts(makeLocalConfig({ shards: cuts.length, replicas: 1, basePort: 1 }))
  t.is(nodesOf(config).length, 1)
  const shards = cuts.map((cutIndex, ordinal): ForkedShard => {
    const log = store.log(ordinal)
    const { base } = log
    if (base === undefined) return { ordinal, cutIndex, base, records: log.records(0) }
    const chunks = store.blobs.read(baseBlobName(ordinal, base))!
    return { ordinal, cutIndex, base: { ...base, chunks }, records: log.records(0) }
  })
  const dirs = { coordinatorDir: join(dataDir, 'coordinator'), nodeDir: join(dataDir, 'node-1') }
  await writeFork({ config, ...dirs, shards })
  writeFileSync(join(dataDir, 'cluster.json'), serializeClusterConfig(config))
  return dataDir
}

/** Keys and values of a cluster, which then takes a write and a strong read. */
async function contentOf(t: ExecutionContext, dataDir: string): Promise<Map<string, string>> {
  await using cluster = await startLocalCluster({ dataDir })
  const client = await connect([...cluster.endpoints])
  const found = new Map<string, string>()
  for await (const { key, value } of client.scan()) found.set(String(key), String(value))
  await client.set('written in the fork', 'yes')
  const read = await client.get('written in the fork', { consistency: 'strong' })
  t.is(read, 'yes')
  await client.close()
  return found
}

test('A fork starts by the rules and holds what the logs made of the keys at the cut, wherever that is', async t => {
  const store = await openNode(await original(t))
  const entries = [await entriesOf(store, 0), await entriesOf(store, 1)]
  const whole = entries.map(each => each.length)
  const halves = entries.map(each => {
    // Inside a record, and not inside a batch.
    let index = Math.floor(each.length / 2) + 1
    while (each[index - 1]!.batchContinues) index += 1
    return index
  })
  for (const cuts of [whole, halves, [whole[0]!, 0], [1, 1]]) {
    const expected = new Map(cuts.flatMap((cut, shard) => [...stateOf(entries[shard]!.slice(0, cut))]))
    const forked = await forkOf(t, store, cuts)
    t.deepEqual(
      new Map([...(await contentOf(t, forked))].sort()),
      new Map([...expected].sort()),
      String(cuts),
    )
    const copy = await openNode(forked)
    for (const [shard, cut] of cuts.entries()) {
      const copied = (await entriesOf(copy, shard)).slice(0, cut)
      t.deepEqual(
        copied,
        entries[shard]!.slice(0, cut),
        'the history up to the cut is the same, entry by entry',
      )
      if (cut > 0) t.is(copy.log(shard).logId, store.log(shard).logId)
    }
    t.true(
      copy.log(0).epochs.at(-1)!.epoch > 1_000_000,
      'epochs of the fork are no epochs of the original, now or later',
    )
    await copy.close()
  }
  await store.close()
})

test('A fork of a log that is kept from a base takes the base along', async t => {
  const store = await openNode(await original(t))
  const log = store.log(0)
  const all = await entriesOf(store, 0)
  const context = { log, blobs: store.blobs, logger: nullLogger }
  const projection = await openProjection(context)
  const record = log.recordAt(Math.floor(log.lastIndex / 2))!
  await trimLog({ ...context, projection, index: record.lastIndex, writtenMs: Date.now() })
  t.is(log.baseIndex, record.lastIndex)
  const cuts = [log.lastIndex, 0]
  const forked = await forkOf(t, store, cuts)
  t.deepEqual(new Map([...(await contentOf(t, forked))].sort()), new Map([...stateOf(all)].sort()))
  await store.close()
})

test('Records that do not reach the cut make no fork', async t => {
  const store = await openNode(await original(t))
  await t.throwsAsync(forkOf(t, store, [store.log(0).lastIndex + 1, 0]), { code: 'LOG_GAP' })
  await store.close()
})

test("A record's head is a whole record: the same entries, the same header, another hash", async t => {
  const store = await openNode(await original(t))
  for await (const record of store.log(0).records(0)) {
    for (let slot = 0; slot < record.count - 1; slot += 1) {
      if ((record.flags(slot) & EntryFlag.BATCH_CONTINUES) !== 0) continue
      const head = headOfRecord(record, record.firstIndex + slot)
      t.is(head.count, slot + 1)
      t.deepEqual(head.entry(slot), record.entry(slot))
      t.false(head.hash.equals(record.hash))
    }
  }
  await store.close()
})
