/** The process that measures the limit: records appended to `LevelLogStore`, and nothing else. */

import { join } from 'node:path'
import { Operation } from '../../src/log/entry.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import type { Log } from '../../src/log/log.js'
import { nullLogger } from '../../src/log/logger.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import { RecordWriter } from '../../src/log/record-writer.js'
import { serveRequests } from '../worker/worker.js'
import { LatencyRecorder } from './latency.js'
import { LIMIT_RECORD_ENTRIES, type Limit, type LimitRequest } from './limit.js'
import { KEY_SIZE_BYTES, keyOf, Random, ValuePool } from './workload.js'

const CHAIN_LENGTH = 3
/** The first appends of a fresh log and of code that was never run measure neither. */
const WARM_UP_SHARE = 0.2

/** Appends to one log of one store, and waits for the disk. */
class Appender {
  readonly #store: LevelLogStore
  readonly #log: Log
  readonly #writer = new RecordWriter()
  readonly #keys: Buffer
  readonly #values: ValuePool
  readonly #random = new Random(1)
  readonly #keyCount: number
  #written = 0
  #lamport = 1
  #durable: () => void = () => {}

  static async open(folder: string, keys: number, valueSizeBytes: number): Promise<Appender> {
    const store = await LevelLogStore.open({ dir: folder, shards: [0], logger: nullLogger })
    return new Appender(store, keys, valueSizeBytes)
  }

  private constructor(store: LevelLogStore, keys: number, valueSizeBytes: number) {
    this.#store = store
    this.#log = store.log(0)
    this.#keyCount = keys
    this.#keys = Buffer.alloc(keys * KEY_SIZE_BYTES)
    for (let key = 0; key < keys; key++) this.#keys.write(keyOf(key), key * KEY_SIZE_BYTES, 'latin1')
    this.#values = new ValuePool(valueSizeBytes)
    this.#log.onDurable(() => this.#durable())
  }

  /** The record that comes after `last`, or after what the log holds. */
  build(entries: number, last?: LogRecord): LogRecord {
    this.#writer.begin({
      logId: this.#log.logId || 'b'.repeat(32),
      shard: 0,
      epoch: 1,
      firstIndex: (last?.lastIndex ?? this.#log.lastIndex) + 1,
      lamport: this.#lamport,
      wallMs: Date.now(),
      commitIndex: 0,
      previousHash: last?.hash ?? this.#log.lastHash,
    })
    this.#lamport += entries
    const client = this.#writer.client(Buffer.alloc(16), '')
    for (let slot = 0; slot < entries; slot++) {
      const value = this.#values.at(this.#written++)
      const at = this.#random.below(this.#keyCount) * KEY_SIZE_BYTES
      const keys = this.#keys
      this.#writer.add(Operation.SET, 0, keys, at, KEY_SIZE_BYTES, value, 0, value.length, 0, client, 0)
    }
    return this.#writer.finish()
  }

  /** Appends; resolves when the record is on the disk. */
  async append(record: LogRecord): Promise<void> {
    const durable = new Promise<void>(resolve => {
      this.#durable = () => {
        if (this.#log.durableIndex >= record.lastIndex) resolve()
      }
    })
    this.#log.append(record)
    await durable
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

/** Repeats `step` for the window after a warm-up. Returns the median of its times and what `step` returned, summed. */
async function repeat(windowMs: number, step: () => Promise<number>) {
  const latency = new LatencyRecorder()
  const warmUntil = performance.now() + windowMs * WARM_UP_SHARE
  while (performance.now() < warmUntil) await step()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let sum = 0
  let now = begun
  while (now - begun < windowMs) {
    sum += await step()
    const then = now
    now = performance.now()
    latency.record(now - then)
  }
  const { user, system } = process.cpuUsage(cpu)
  return { p50Us: latency.percentileUs(50), sum, elapsedMs: now - begun, cpuUs: user + system }
}

/** Records of 256: the next one is built while the disk syncs the one before. */
async function measureRecords(appender: Appender, windowMs: number) {
  let next = appender.build(LIMIT_RECORD_ENTRIES)
  const result = await repeat(windowMs, async () => {
    const record = next
    const appended = appender.append(record)
    next = appender.build(LIMIT_RECORD_ENTRIES, record)
    await appended
    return LIMIT_RECORD_ENTRIES
  })
  await appender.append(next)
  return result
}

async function measure({ folder, keys, valueSizeBytes, windowMs }: LimitRequest): Promise<Limit> {
  const appenders: Appender[] = []
  for (let at = 0; at < CHAIN_LENGTH; at++) {
    appenders.push(await Appender.open(join(folder, `log-${at}`), keys, valueSizeBytes))
  }
  const appendOne = (appender: Appender) => appender.append(appender.build(1))
  const records = await measureRecords(appenders[0]!, windowMs)
  const single = await repeat(windowMs, async () => {
    await appendOne(appenders[1]!)
    return 1
  })
  const chained = await repeat(windowMs, async () => {
    for (const appender of appenders) await appendOne(appender)
    return 1
  })
  for (const appender of appenders) await appender.close()
  return {
    entriesPerSecond: records.sum / (records.elapsedMs / 1_000),
    cpuUsPerEntry: records.cpuUs / records.sum,
    recordP50Us: records.p50Us,
    syncP50Us: single.p50Us,
    threeSyncsP50Us: chained.p50Us,
  }
}

serveRequests(measure)
