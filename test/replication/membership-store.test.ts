import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Level } from 'level'
import type { Membership } from '../../src/replication/membership.js'
import { openMembershipStore } from '../../src/replication/membership-store.js'

async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'varve-membership-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

function membership(reservedEpoch: number, change: Partial<Membership> = {}): Membership {
  return {
    logId: 'a'.repeat(32),
    reservedEpoch,
    current: null,
    active: null,
    activeEpochIndex: 0,
    wanted: 3,
    left: [],
    recovery: null,
    base: null,
    baseEpochIndex: 0,
    baseEpochHash: '',
    activeEpochs: [],
    reports: {},
    commitBound: 0,
    ...change,
  }
}

/** Writes into a store's database behind its back. */
async function tamper(dir: string, key: string, value: string): Promise<void> {
  const level = new Level<string, string>(dir)
  await level.put(key, value)
  await level.close()
}

test('a store keeps its cluster id and its newest values over a restart', async t => {
  const dir = await folder(t)
  const first = await openMembershipStore(dir)
  t.is(first.read(0), undefined)
  t.is(await first.write(0, 0, membership(1)), 1)
  t.is(await first.write(0, 1, membership(2)), 2)
  t.is(await first.write(11, 0, membership(7)), 1)
  await first.close()

  const second = await openMembershipStore(dir)
  t.is(second.clusterId, first.clusterId)
  t.deepEqual(second.read(0), { revision: 2, membership: membership(2) })
  t.deepEqual(second.read(11), { revision: 1, membership: membership(7) })
  t.is(second.read(1), undefined)
  t.is(await second.write(0, 2, membership(3)), 3)
  await second.close()

  const third = await openMembershipStore(dir)
  t.is(third.read(0)?.revision, 3)
  await third.close()
})

test('the whole value is compared and set: of two changes to one value the second fails, whatever epoch it carries', async t => {
  const store = await openMembershipStore(await folder(t))
  await store.write(0, 0, membership(5))
  const [first, second] = await Promise.all([
    store.write(0, 1, membership(5, { commitBound: 10 })),
    store.write(0, 1, membership(6)),
  ])
  t.is(first, 2)
  t.is(second, undefined)
  t.is(await store.write(0, 1, membership(99)), undefined)
  t.is(await store.write(0, 3, membership(99)), undefined)
  t.deepEqual(store.read(0), { revision: 2, membership: membership(5, { commitBound: 10 }) })
  await store.close()
})

test('older values are cleared at the next opening, and only they', async t => {
  const dir = await folder(t)
  const store = await openMembershipStore(dir)
  for (let revision = 0; revision < 12; revision += 1) await store.write(3, revision, membership(revision))
  await store.write(4, 0, membership(1))
  await store.close()
  await (await openMembershipStore(dir)).close()
  const level = new Level<string, string>(dir)
  const keys = await level.keys({ gte: 'shard/', lt: 'shard0' }).all()
  await level.close()
  t.is(keys.length, 2)
  const again = await openMembershipStore(dir)
  t.is(again.read(3)?.membership.reservedEpoch, 11)
  t.is(again.read(4)?.membership.reservedEpoch, 1)
  await again.close()
})

test('two coordinators cannot hold one store: the second is told so in one line', async t => {
  const dir = await folder(t)
  const store = await openMembershipStore(dir)
  const error = await t.throwsAsync(openMembershipStore(dir))
  t.regex(error?.message ?? '', /in use by another process.*one coordinator/)
  t.notRegex(error?.message ?? '', /\n/)
  await store.close()
})

test('a store of a newer format is refused and let go of', async t => {
  const dir = await folder(t)
  await tamper(dir, 'identity', JSON.stringify({ format: 2, clusterId: 'c' }))
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const error = await t.throwsAsync(openMembershipStore(dir))
    t.regex(error?.message ?? '', /has format 2: expected 1 or lower/)
  }
})

test('a damaged store is refused in one line that names it', async t => {
  for (const [key, value] of [
    ['identity', 'no JSON'],
    ['identity', '{"format":"one"}'],
    ['shard/00000/0000000000000001', '{"logId":1}'],
    ['shard/00000/0000000000000001', 'no JSON'],
  ] as const) {
    const dir = await folder(t)
    await (await openMembershipStore(dir)).close()
    await tamper(dir, key, value)
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const error = await t.throwsAsync(openMembershipStore(dir))
      t.regex(error?.message ?? '', /is damaged/)
      t.true(error?.message.includes(dir))
      t.notRegex(error?.message ?? '', /\n/)
    }
  }
})

test('a flipped bit in the middle of what was written is found, and no older value counts in its place', async t => {
  const dir = await folder(t)
  const store = await openMembershipStore(dir)
  for (let revision = 0; revision < 3; revision += 1) {
    t.is(await store.write(0, revision, membership(revision + 1)), revision + 1)
  }
  await store.close()
  const [log] = (await readdir(dir)).filter(name => name.endsWith('.log'))
  const file = join(dir, log!)
  const bytes = await readFile(file)
  bytes[bytes.indexOf('"reservedEpoch":2')]! ^= 1
  await writeFile(file, bytes)
  const error = await t.throwsAsync(openMembershipStore(dir))
  t.regex(
    error?.message ?? '',
    /write-ahead file .* is damaged at offset \d+.*restore the folder from a copy/,
  )
})
