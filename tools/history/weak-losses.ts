/** What became of weak writes: a failover may undo them, and then they must be found among the orphans. */
import { FinalLog, isOf } from './final-log.js'
import { type HistoryOperation, isWrite, type LoggedEntry } from './history-event.js'

/** An acknowledged write and where it is now. `missing` is a violation, and of a strong one `orphan` as well. */
export interface WriteFate {
  readonly operation: HistoryOperation
  readonly where: 'log' | 'orphan' | 'missing'
}

/** The fates of the weak writes alone. */
export function checkWeakWrites(
  operations: readonly HistoryOperation[],
  log: readonly LoggedEntry[],
  orphans: readonly LoggedEntry[],
): WriteFate[] {
  return writeFates(
    operations.filter(({ consistency }) => consistency !== 'strong'),
    log,
    orphans,
  )
}

/**
 * Where every acknowledged write is: in the final log of its shard, else among the orphans that all disks hold
 * together, else nowhere. In the order of the operations. A set is also found under another position (resubmitted, or
 * repeated by its client); a delete only at its own, as nothing tells two deletes of a key apart. Pure.
 */
export function writeFates(
  operations: readonly HistoryOperation[],
  log: readonly LoggedEntry[],
  orphans: readonly LoggedEntry[],
): WriteFate[] {
  const final = new FinalLog(log)
  const cut = new Set(orphans.map(nameOf))
  return operations
    .filter(each => isWrite(each) && each.outcome === 'ok')
    .map(operation => ({ operation, where: whereIs(operation, final, cut) }))
}

function whereIs(operation: HistoryOperation, final: FinalLog, cut: ReadonlySet<string>): WriteFate['where'] {
  const { type, key, value, position } = operation
  const entry = final.standing(operation)
  if (entry !== undefined && isOf(entry, operation)) return 'log'
  if (type === 'set' && final.setsOf(key, value).length > 0) return 'log'
  if (position === null) return 'missing'
  const { shard, epoch, index } = position
  const wanted = type === 'set' ? 'set' : 'delete'
  return cut.has(nameOf({ shard, epoch, index, type: wanted, key, value })) ? 'orphan' : 'missing'
}

function nameOf(entry: LoggedEntry): string {
  const { shard, epoch, index, type, key, value } = entry
  return JSON.stringify([shard, epoch, index, type, key, value])
}
