/** Short ways to write down histories. */
import type { HistoryOperation, LoggedEntry } from '../../../tools/history/history-event.js'

let lastId = 0

/** An operation with everything that a test does not care about filled in: strong, ok, from 0 to 1 ms, on `k`. */
export function operation(given: Partial<HistoryOperation>): HistoryOperation {
  lastId += 1
  return {
    client: 'c1',
    id: lastId,
    type: 'set',
    key: 'k',
    value: null,
    consistency: 'strong',
    invokedMs: 0,
    returnedMs: 1,
    outcome: 'ok',
    position: null,
    node: null,
    error: null,
    ...given,
  }
}

type More = Partial<HistoryOperation>

export function set(value: string, invokedMs: number, returnedMs: number | null, more: More = {}) {
  const outcome = returnedMs === null ? 'unknown' : 'ok'
  return operation({ type: 'set', value, invokedMs, returnedMs, outcome, ...more })
}

export function del(invokedMs: number, returnedMs: number | null, more: More = {}) {
  const outcome = returnedMs === null ? 'unknown' : 'ok'
  return operation({ type: 'delete', invokedMs, returnedMs, outcome, ...more })
}

export function get(value: string | null, invokedMs: number, returnedMs: number, more: More = {}) {
  return operation({ type: 'get', value, invokedMs, returnedMs, ...more })
}

/** A position in `shard_0`, committed, in epoch 1. */
export function at(index: number, epoch = 1): NonNullable<HistoryOperation['position']> {
  return { shard: 'shard_0', epoch, index, lamport: index * 10, committed: true }
}

export function logged(index: number, value: string | null, more: Partial<LoggedEntry> = {}): LoggedEntry {
  const type = value === null ? 'delete' : 'set'
  return { shard: 'shard_0', epoch: 1, index, type, key: 'k', value, ...more }
}
