/**
 * Checkers want each write of a key to write a value of its own, so that a read names the write that it saw. People's run files
 * write the same values again and again. But every answer names the entry that it speaks of: with the entry's place beside
 * it each value is its own.
 */

import { type HistoryOperation, isWrite, type LoggedEntry } from './history-event.js'

/** A history with the entries that it is judged against. */
export interface Judged {
  readonly operations: readonly HistoryOperation[]
  readonly log: readonly LoggedEntry[]
  readonly orphans: readonly LoggedEntry[]
}

/**
 * The same where every value is told apart by its place; as it was where no key has a value twice. A set whose outcome is
 * unknown has no place: it stands for any entry of its key and value that no other set claims. As several such sets may
 * claim the same entries, each of them counts as invoked when the first one was: what is found wrong then is wrong, but
 * not everything that is wrong may be found. Pure.
 */
export function withDistinctValues({ operations, log, orphans }: Judged): Judged {
  if (!hasRepeatedValues(operations)) return { operations, log, orphans }
  const claimed = new Set<string>()
  for (const { type, outcome, position } of operations) {
    if (type === 'set' && outcome === 'ok' && position !== null) claimed.add(placeOf(position))
  }
  const open = unclaimed([...log, ...orphans], claimed)
  const firstInvokedMs = firstInvocations(operations)
  return {
    operations: operations.map(operation => labelled(operation, open, firstInvokedMs)),
    log: log.map(labelledEntry),
    orphans: orphans.map(labelledEntry),
  }
}

function hasRepeatedValues(operations: readonly HistoryOperation[]): boolean {
  const seen = new Set<string>()
  for (const operation of operations) {
    if (operation.type !== 'set') continue
    const name = nameOf(operation)
    if (seen.has(name)) return true
    seen.add(name)
  }
  return false
}

/** Sets of the logs that no answered set claims, by key and value. */
function unclaimed(
  entries: readonly LoggedEntry[],
  claimed: ReadonlySet<string>,
): Map<string, LoggedEntry[]> {
  const open = new Map<string, LoggedEntry[]>()
  for (const entry of entries) {
    if (entry.type !== 'set' || claimed.has(placeOf(entry))) continue
    const name = nameOf(entry)
    const same = open.get(name)
    if (same === undefined) open.set(name, [entry])
    else same.push(entry)
  }
  return open
}

function firstInvocations(operations: readonly HistoryOperation[]): Map<string, number> {
  const first = new Map<string, number>()
  for (const operation of operations) {
    if (operation.type !== 'set' || operation.outcome !== 'unknown') continue
    const name = nameOf(operation)
    first.set(name, Math.min(first.get(name) ?? Number.POSITIVE_INFINITY, operation.invokedMs))
  }
  return first
}

function labelled(
  operation: HistoryOperation,
  open: Map<string, LoggedEntry[]>,
  firstInvokedMs: ReadonlyMap<string, number>,
): HistoryOperation {
  const { value, position } = operation
  if (value === null) return operation
  if (position !== null) return { ...operation, value: label(value, position) }
  if (!isWrite(operation)) return operation
  const name = nameOf(operation)
  const entry = operation.outcome === 'unknown' ? open.get(name)?.shift() : undefined
  // Of a set that took no effect no read can have seen anything.
  if (entry === undefined)
    return { ...operation, value: `${value} @none ${operation.client}/${operation.id}` }
  return {
    ...operation,
    value: label(value, entry),
    invokedMs: firstInvokedMs.get(name) ?? operation.invokedMs,
  }
}

function labelledEntry(entry: LoggedEntry): LoggedEntry {
  return entry.value === null ? entry : { ...entry, value: label(entry.value, entry) }
}

function label(
  value: string,
  place: { readonly shard: string; readonly epoch: number; readonly index: number },
): string {
  return `${value} @${placeOf(place)}`
}

function placeOf({
  shard,
  epoch,
  index,
}: {
  readonly shard: string
  readonly epoch: number
  readonly index: number
}) {
  return `${shard}/${epoch}/${index}`
}

function nameOf({ key, value }: { readonly key: string; readonly value: string | null }): string {
  return `${key.length}:${key}=${value}`
}
