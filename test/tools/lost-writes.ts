/** Writes that a stopped node's log was cut off, made in its folder. */
import { EntryFlag, Operation, type Position, positionOf } from '../../src/log/entry.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import type { Log } from '../../src/log/log.js'
import { nullLogger } from '../../src/log/logger.js'
import { RecordWriter } from '../../src/log/record-writer.js'

/** Who asked for them. */
export const LOST_CLIENT = Buffer.from('00000000000000016c6f737420636c69', 'hex')

export interface LostWrite {
  readonly key: string
  /** Undefined: a DELETE. */
  readonly value?: string
  readonly batchContinues?: boolean
}

/** Appends a record and cuts it off again, as a node does that its upstream does not follow. */
export function lose(log: Log, list: readonly LostWrite[], epoch: number): void {
  const end = log.lastIndex
  appendWrites(log, list, epoch)
  log.cut(end)
}

/** Appends a record that no later one says to be committed. */
export function appendWrites(log: Log, list: readonly LostWrite[], epoch: number): void {
  const end = log.lastIndex
  const writer = new RecordWriter()
  const { lamport, wallMs } = log.lastStamp
  const header = { logId: log.logId, shard: log.shard, epoch, firstIndex: end + 1, lamport: lamport + 1 }
  writer.begin({ ...header, wallMs, commitIndex: 0, previousHash: log.lastHash })
  const client = writer.client(LOST_CLIENT, 'ada')
  for (const [at, { key, value, batchContinues }] of list.entries()) {
    const bytes = [Buffer.from(key), Buffer.from(value ?? '')] as const
    const operation = value === undefined ? Operation.DELETE : Operation.SET
    const flags = batchContinues ? EntryFlag.BATCH_CONTINUES : 0
    const [keyBytes, valueBytes] = bytes
    const parts = [keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes.length] as const
    writer.add(operation, flags, ...parts, newestOf(log, keyBytes), client, at + 1)
  }
  log.append(writer.finish())
}

/** Position of the key's newest entry, 0 if there is none. */
function newestOf(log: Log, key: Buffer): Position {
  for (let index = log.lastIndex; index > log.baseIndex; index--) {
    const record = log.recordAt(index)!
    const slot = index - record.firstIndex
    if (record.key(slot).equals(key)) return positionOf(index, slot)
  }
  return 0
}

/** Changes a stopped node's folder. */
export async function inFolder(
  dir: string,
  change: (store: LevelLogStore) => void | Promise<void>,
): Promise<void> {
  const store = await LevelLogStore.open({ dir, logger: nullLogger })
  try {
    await change(store)
    await store.flush()
  } finally {
    await store.close()
  }
}
