/** What a history is made of: operations of clients as they were seen from outside. */

/** Where an answer said that an entry stands. */
export interface HistoryPosition {
  readonly shard: string
  readonly epoch: number
  /** From 1; 0 where a read found a key that was never written. */
  readonly index: number
  readonly lamport: number
  readonly committed: boolean
}

/**
 * One operation of one client, as it was seen from outside. Times are monotonic milliseconds of one clock for the
 * whole history, fractions allowed; which clock is the runner's choice.
 */
export interface HistoryOperation {
  /** Unique name of a client, which may have one operation in flight or many. */
  readonly client: string
  /** Unique within the client, in the order of invocation. */
  readonly id: number
  readonly type: 'set' | 'delete' | 'get' | 'scan'
  /** Of a scan: the first key that was wanted. */
  readonly key: string
  /** Of a set: what was written; of a get: what was read (null: absent); of a delete or scan: null. */
  readonly value: string | null
  readonly consistency: 'strong' | 'weak' | 'session'
  /** When it was to be invoked, where the schedule of a fixed rate had it earlier than it was. */
  readonly intendedMs?: number
  readonly invokedMs: number
  /** Null where it never returned. */
  readonly returnedMs: number | null
  /** `failed` was certainly not done; `unknown` may take effect at any time after its invocation, or never. */
  readonly outcome: 'ok' | 'failed' | 'unknown'
  /** Null unless it is ok, and of a scan, which is of no one moment. */
  readonly position: HistoryPosition | null
  /** Who answered, where known. */
  readonly node: string | null
  /** Code and message of what it failed with. */
  readonly error: string | null
}

/** Whether it may have changed something. */
export function isWrite({ type }: Pick<HistoryOperation, 'type'>): boolean {
  return type === 'set' || type === 'delete'
}

/** An entry of a log or an orphan, as the checkers want it. */
export interface LoggedEntry {
  readonly shard: string
  readonly epoch: number
  readonly index: number
  readonly type: 'set' | 'delete' | 'other'
  readonly key: string
  /** Null for all but a set. */
  readonly value: string | null
  /** Who asked and by which number, in any form that is unique: tells two deletes of a key apart. */
  readonly request?: string
}

/** `get by c1 #7 of "k" read "v" (12.3 to 14.5 ms)`: one line about an operation, for explanations. */
export function describeOperation(operation: HistoryOperation): string {
  const { client, id, type, key, value, consistency, invokedMs, returnedMs, outcome, position } = operation
  const verb = type === 'get' ? `read ${describeValue(value)}` : type === 'set' ? describeValue(value) : ''
  const until = returnedMs === null ? 'never returned' : `to ${returnedMs.toFixed(3)} ms`
  const at = position === null ? '' : ` at ${position.shard}/${position.index}`
  const how = outcome === 'ok' ? consistency : `${consistency}, ${outcome}`
  const what = `${type} ${JSON.stringify(key)} ${verb}${verb === '' ? '' : ' '}`
  return `${what}(${how}) by ${client} #${id}${at}, ${invokedMs.toFixed(3)} ${until}`
}

/** `nothing` or the value in quotes. */
export function describeValue(value: string | null): string {
  return value === null ? 'nothing' : JSON.stringify(value)
}
