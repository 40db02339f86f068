import test from 'ava'
import { Topology } from '../../src/generated/varve/v1/cluster.js'
import {
  type Configuration,
  ConfigurationStatus,
  type Envelope,
} from '../../src/generated/varve/v1/replication.js'
import { nullLogger } from '../../src/log/logger.js'
import { MemoryLogStore } from '../../src/log/memory-log.js'
import { StampClock } from '../../src/log/stamp.js'
import { LogBaseKeeper } from '../../src/node/log-base-keeper.js'
import { openProjection } from '../../src/projection/checkpoint.js'
import { trimLog } from '../../src/projection/trim.js'
import { ReplicaDriver } from '../../src/replication/replica-driver.js'
import { LOG_ID, set, stateOf, TestHead } from '../projection/fixtures.js'

/** Replicas of one shard, whose messages a test delivers. */
class World {
  readonly drivers = new Map<string, ReplicaDriver>()
  readonly messages: { to: string; envelope: Envelope }[] = []
  readonly alarms: string[] = []

  async add(address: string, store: MemoryLogStore) {
    const log = store.log(0)
    const projection = await openProjection({ log, blobs: store.blobs, logger: nullLogger })
    const onFailed = (error: unknown) => this.alarms.push(String(error))
    const driver = new ReplicaDriver({
      shard: 0,
      address,
      incarnation: 1,
      coordinator: 'c',
      log,
      projector: projection,
      clock: new StampClock(() => 5_000),
      transport: {
        send: (to: string, envelope: Envelope) => {
          this.messages.push({ to, envelope })
          return true
        },
      } as never,
      logger: nullLogger,
      clusterId: () => 'x',
      bases: new LogBaseKeeper({ log, projection, blobs: store.blobs, logger: nullLogger, onFailed }),
      onAlarm: message => this.alarms.push(message),
    })
    this.drivers.set(address, driver)
    return { driver, projection, log }
  }

  tell(configuration: Configuration): void {
    for (const { address } of configuration.members) {
      this.say(address, { $case: 'configure', value: { configuration } }, 'c', configuration.epoch)
    }
  }

  activate(configuration: Configuration): void {
    for (const { address } of configuration.members) {
      this.say(address, { $case: 'activate', value: { configuration } }, 'c', configuration.epoch)
    }
  }

  async run(until: () => boolean): Promise<void> {
    for (let round = 0; round < 2_000 && !until(); round += 1) {
      for (const { to, envelope } of this.messages.splice(0)) this.drivers.get(to)?.message(envelope)
      for (const driver of this.drivers.values()) driver.tick()
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Hands a message over at once, whatever else is on its way. */
  say(to: string, body: NonNullable<Envelope['body']>, from: string, epoch: number): void {
    const stamp = { lamport: 0, wallMs: 0 }
    this.drivers.get(to)!.message({ from, incarnation: 1, clusterId: 'x', stamp, shard: 0, epoch, body })
  }
}

function configurationOf(epoch: number, addresses: string[]): Configuration {
  return {
    shard: 0,
    logId: LOG_ID,
    epoch,
    head: addresses[0]!,
    members: addresses.map((address, i) => ({
      address,
      incarnation: 1,
      upstream: i === 0 ? '' : addresses[i - 1]!,
    })),
    topology: Topology.CHAIN,
    minInSync: 1,
    status: ConfigurationStatus.PROPOSED,
    recovery: undefined,
  }
}

async function trimmedHead(): Promise<TestHead> {
  const head = new TestHead()
  for (let i = 0; i < 400; i += 1) head.append([set(`key/${i}`, `${i}`.repeat(5_000)), set('same', `${i}`)])
  await head.store.flush()
  head.commit()
  const { log, projection, store } = head
  await trimLog({ log, projection, blobs: store.blobs, logger: nullLogger, index: 700, writtenMs: 1_000 })
  return head
}

/** A store with the first entries of the log that `trimmedHead` makes. */
async function storeWith(entries: number): Promise<MemoryLogStore> {
  const store = new MemoryLogStore({ autoSync: true })
  if (entries === 0) return store
  const twin = new TestHead()
  for (let i = 0; i < 400; i += 1) twin.append([set(`key/${i}`, `${i}`.repeat(5_000)), set('same', `${i}`)])
  for await (const record of twin.log.records(1, entries)) store.log(0).append(record)
  await store.flush()
  return store
}

test('an answer that was asked for before a base came says nothing about the log after it', async t => {
  const head = await trimmedHead()
  const world = new World()
  await world.add('a', head.store)
  const b = await world.add('b', await storeWith(40))
  const { lastIndex: index, lastHash: hash } = b.log
  const late = {
    index,
    hash: Buffer.from(hash),
    logId: LOG_ID,
    askedIndex: index,
    askedHash: Buffer.from(hash),
  }
  world.tell(configurationOf(2, ['a', 'b']))
  await world.run(() => {
    if (b.log.baseIndex > 0) world.say('b', { $case: 'followFrom', value: late }, 'a', 2)
    return world.alarms.length > 0 || b.log.durableIndex === 801
  })
  t.deepEqual(world.alarms, [])
  t.is(b.log.durableIndex, 801)
})

for (const had of [0, 40]) {
  test(`a member with ${had} entries, too far behind for the log that is kept, gets the base and then the log`, async t => {
    const head = await trimmedHead()
    const store = await storeWith(had)
    const world = new World()
    const a = await world.add('a', head.store)
    const b = await world.add('b', store)
    const c = await world.add('c2', new MemoryLogStore({ autoSync: true }))
    const configuration = configurationOf(2, ['a', 'b', 'c2'])
    world.tell(configuration)
    let progress = 0
    await world.run(() => {
      progress = Math.max(progress, b.driver.replica.baseProgress.totalBytes)
      return c.log.durableIndex === 801
    })
    t.deepEqual(world.alarms, [])
    t.is(b.log.baseIndex, 700)
    t.is(c.log.baseIndex, 700)
    t.true(progress > 1_000_000)
    t.is(b.driver.replica.baseProgress.totalBytes, 0)
    world.activate({ ...configuration, status: ConfigurationStatus.ACTIVE })
    await world.run(() => c.driver.replica.commitIndex === 801)
    t.deepEqual(await b.projection.digest(), await a.projection.digest())
    t.deepEqual(await c.projection.digest(), await a.projection.digest())
    t.deepEqual(stateOf(c.projection, 'committed'), stateOf(a.projection, 'committed'))
  })
}
