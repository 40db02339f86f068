/** Entries and positions as clients and tools see them (entry.proto). */

import type { Entry as EntryMessage, Position as PositionMessage } from '../generated/varve/v1/entry.js'
import { Operation as OperationMessage } from '../generated/varve/v1/entry.js'
import { type Entry, indexOf, Operation } from '../log/entry.js'

const OPERATIONS = {
  [Operation.SET]: OperationMessage.SET,
  [Operation.DELETE]: OperationMessage.DELETE,
  [Operation.EPOCH]: OperationMessage.EPOCH,
  [Operation.NOOP]: OperationMessage.NOOP,
} as const

/** Where an entry stands. `committed`: at or below the commitIndex of the replica that answers. */
export function positionMessage(
  shard: string,
  entry: { epoch: number; index: number; lamport: number; wallMs: number },
  committed: boolean,
): PositionMessage {
  const { epoch, index, lamport, wallMs } = entry
  return { shard, epoch, index, stamp: { lamport, wallMs }, committed }
}

/** The message shares the entry's buffers. */
export function entryMessage(shard: string, entry: Entry, commitIndex: number): EntryMessage {
  const { epoch, index, stamp, previous } = entry
  return {
    position: positionMessage(shard, { epoch, index, ...stamp }, index <= commitIndex),
    operation: OPERATIONS[entry.operation],
    key: entry.key,
    value: entry.value,
    previous: indexOf(previous),
    clientId: entry.clientId,
    sequence: entry.sequence,
    actor: entry.actor,
    batchContinues: entry.batchContinues,
    record: entry.record,
    refused: entry.refused,
  }
}
