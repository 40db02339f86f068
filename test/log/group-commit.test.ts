import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { type BatchOperation, GroupCommit } from '../../src/log/group-commit.js'

/** A disk that syncs when it is told to. */
class SlowDisk {
  readonly batches: BatchOperation[][] = []
  readonly poisoned: string[] = []
  inFlight = 0
  nowMs = 0
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined

  readonly commit = new GroupCommit({
    write: operations => {
      this.inFlight++
      this.batches.push(operations)
      return new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject }
      }).finally(() => this.inFlight--)
    },
    stateOperations: () => {
      throw new Error('no logs here')
    },
    released: () => {},
    onPoison: error => this.poisoned.push(error.code),
    now: () => this.nowMs,
    name: 'the test disk',
  })

  put(text: string): void {
    this.commit.put(Buffer.from(text), Buffer.from(text))
  }

  async synced(): Promise<void> {
    this.#settle!.resolve()
    await setImmediate()
  }

  async failed(reason: string): Promise<void> {
    this.#settle!.reject(new Error(reason))
    await setImmediate()
  }

  get keys(): string[][] {
    return this.batches.map(batch => batch.map(operation => operation.key.toString()))
  }
}

test('the first write starts a batch in its own turn; all that comes meanwhile is the next one', async t => {
  const disk = new SlowDisk()
  disk.put('a')
  disk.put('b')
  t.is(disk.inFlight, 0)
  await Promise.resolve()
  t.deepEqual(disk.keys, [['a', 'b']])
  for (const text of ['c', 'd', 'e']) {
    disk.put(text)
    await setImmediate()
    t.is(disk.inFlight, 1)
  }
  t.deepEqual(disk.keys, [['a', 'b']])
  await disk.synced()
  t.deepEqual(disk.keys, [
    ['a', 'b'],
    ['c', 'd', 'e'],
  ])
  t.is(disk.inFlight, 1)
  await disk.synced()
  t.is(disk.inFlight, 0)
})

test('a batch starts at once when asked to, and never beside another', async t => {
  const disk = new SlowDisk()
  disk.commit.start()
  t.is(disk.inFlight, 0, 'there is nothing to write')
  disk.put('a')
  disk.commit.start()
  t.is(disk.inFlight, 1)
  disk.put('b')
  disk.commit.start()
  await Promise.resolve()
  t.is(disk.inFlight, 1)
  await disk.synced()
  t.deepEqual(disk.keys, [['a'], ['b']])
  await disk.synced()
  t.is(disk.inFlight, 0)
})

test('settled waits for what was handed over before, and for nothing else', async t => {
  const disk = new SlowDisk()
  await disk.commit.settled()
  const order: string[] = []
  disk.put('a')
  void disk.commit.settled().then(() => order.push('a'))
  await setImmediate()
  void disk.commit.settled().then(() => order.push('still a'))
  disk.put('b')
  void disk.commit.settled().then(() => order.push('b'))
  await disk.synced()
  t.deepEqual(order, ['a', 'still a'])
  await disk.synced()
  t.deepEqual(order, ['a', 'still a', 'b'])
})

test('the age of the oldest write that is not durable is known', async t => {
  const disk = new SlowDisk()
  disk.nowMs = 100
  t.is(disk.commit.oldestUnsyncedMs, 0)
  disk.put('a')
  disk.nowMs = 130
  t.is(disk.commit.oldestUnsyncedMs, 30)
  await setImmediate()
  disk.put('b')
  disk.nowMs = 150
  t.is(disk.commit.oldestUnsyncedMs, 50)
  await disk.synced()
  t.is(disk.commit.oldestUnsyncedMs, 20)
  await disk.synced()
  t.is(disk.commit.oldestUnsyncedMs, 0)
})

test('after a failed write nothing is taken any more, and everyone who waits is told', async t => {
  const disk = new SlowDisk()
  disk.put('a')
  const first = disk.commit.settled()
  await setImmediate()
  disk.put('b')
  const second = disk.commit.settled()
  const told = Promise.all([
    t.throwsAsync(first, { code: 'LOG_POISONED', message: /the test disk .*disk is full/ }),
    t.throwsAsync(second, { code: 'LOG_POISONED' }),
  ])
  await disk.failed('disk is full')
  await told
  t.deepEqual(disk.poisoned, ['LOG_POISONED'])
  t.throws(() => disk.put('c'), { code: 'LOG_POISONED' })
  await t.throwsAsync(disk.commit.settled(), { code: 'LOG_POISONED' })
  await setImmediate()
  t.deepEqual(disk.keys, [['a']])
})
