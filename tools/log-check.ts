/** Checks of whole logs, for `varve log verify`: a stopped node's folder, or a copy that a running node hands out. */

import { LogError } from '../src/log/errors.js'
import type { FolderScan, LogScan } from '../src/log/level-scan.js'
import type { FileFault } from '../src/log/level-view.js'
import { baseBlobName, type LogBase } from '../src/log/log-base.js'
import { LogDamage } from '../src/log/log-damage.js'
import type { LogRecord } from '../src/log/record-codec.js'
import { decodeBase } from '../src/projection/base-decoder.js'
import { checkpointNames } from '../src/projection/checkpoint.js'
import { LogAudit } from '../src/projection/log-audit.js'
import { codeOf } from './exit-codes.js'
import type { LogSource } from './log-source.js'

/** So many places are told of a copy; the rest is counted. */
const DAMAGES_TOLD_MAX = 100

/** What a node is advised to do about damage is not what is asked here. */
const ADVICE = /[:;] rename the data folder and join anew$/

/** A place that is not what was written. Indexes are absent where it is not one of the log. */
export interface DamageReport {
  readonly index?: number
  readonly lastIndex?: number
  readonly epoch?: number
  readonly what: string
  readonly expected?: string
  readonly found?: string
  /** Key of the record in the database, hexadecimal. */
  readonly recordKey?: string
  readonly file?: string
  /** In bytes, in the file: where it stops being what was written, and where it is good again. */
  readonly offset?: number
  readonly endOffset?: number
}

/** What became of one copy of one shard's log. */
export interface CopyReport {
  readonly shard: string
  readonly node: string
  readonly entries: number
  readonly records: number
  readonly bytes: number
  readonly keys: number
  readonly baseIndex: number
  readonly lastIndex: number
  readonly checkpoints: number
  readonly orphanRecords: number
  readonly tookMs: number
  /** At most some of them; `damageCount` is all. */
  readonly damages: readonly DamageReport[]
  readonly damageCount: number
}

/** Gathers what is found on the way through one copy. */
class CopyCheck {
  readonly #shard: string
  readonly #node: string
  readonly #startedAt = performance.now()
  readonly #damages: DamageReport[] = []
  #damageCount = 0
  records = 0
  bytes = 0
  checkpoints = 0
  orphanRecords = 0

  constructor(shard: string, node: string) {
    this.#shard = shard
    this.#node = node
  }

  tell(damage: LogDamage): void {
    const { index, lastIndex, epoch, what, expected, found, levelKey } = damage.place
    this.add({
      index,
      lastIndex,
      epoch,
      what,
      ...(expected === undefined ? {} : { expected, found: found ?? 'nothing' }),
      ...(levelKey === '' ? {} : { recordKey: levelKey }),
    })
  }

  add(damage: DamageReport): void {
    this.#damageCount++
    if (this.#damages.length < DAMAGES_TOLD_MAX) this.#damages.push(damage)
  }

  take(audit: LogAudit, record: LogRecord): void {
    audit.add(record)
    this.records++
    this.bytes += record.sizeBytes
    for (const fault of audit.takeFaults()) this.tell(fault)
  }

  report(audit: LogAudit, baseIndex: number, lastIndex: number): CopyReport {
    const { records, bytes, checkpoints, orphanRecords } = this
    const told = this.#damages.length
    return {
      shard: this.#shard,
      node: this.#node,
      entries: audit.entryCount,
      records,
      bytes,
      keys: audit.keyCount,
      baseIndex,
      lastIndex,
      checkpoints,
      orphanRecords,
      tookMs: performance.now() - this.#startedAt,
      damages: this.#damages,
      damageCount: this.#damageCount + Math.max(0, audit.faultCount - told),
    }
  }
}

/** Checks all of one shard's log in a stopped node's folder: its base, every record, orphans and checkpoints. */
export async function checkStopped(
  shard: string,
  node: string,
  folder: FolderScan,
  log: LogScan,
): Promise<CopyReport> {
  const check = new CopyCheck(shard, node)
  const chunks = log.base === undefined ? undefined : folder.blobs.read(baseBlobName(log.shard, log.base))
  const audit = await auditFrom(log.shard, log.base, chunks, check)
  const checkpoints = await checkpointsOf(folder, log, check)
  for await (const scanned of log.scan(0)) {
    if (scanned instanceof LogDamage) {
      check.tell(scanned)
      audit.skip(scanned.place.index, scanned.place.lastIndex)
      continue
    }
    check.take(audit, scanned)
    const expected = checkpoints.get(scanned.lastIndex)
    if (expected === undefined) continue
    checkpoints.delete(scanned.lastIndex)
    if (!scanned.hash.equals(expected)) check.add(otherCheckpoint(scanned.lastIndex, expected, scanned.hash))
  }
  for (const index of checkpoints.keys()) check.add(lostCheckpoint(index, log.lastIndex))
  for await (const scanned of log.orphans()) {
    check.orphanRecords++
    if (scanned instanceof LogDamage) check.tell(scanned)
  }
  return check.report(audit, log.baseIndex, log.lastIndex)
}

/** Checks one copy of a shard's log that a running node hands out. Ends at the first record that is not right. */
export async function checkLive(source: LogSource, shard: string): Promise<CopyReport> {
  const check = new CopyCheck(shard, source.origin(shard))
  const { base, baseIndex, lastIndex } = await source.logInfo(shard)
  const ordinal = source.ordinal(shard)
  const audit = await auditFrom(ordinal, base, await source.baseBlob(shard), check)
  if (lastIndex > baseIndex) {
    try {
      for await (const record of source.records(shard, 0, lastIndex)) check.take(audit, record)
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'LOG_DAMAGED' && code !== 'DATA_LOSS') throw error
      const index = error instanceof LogError ? error.index : undefined
      check.add({ ...(index === undefined ? {} : { index }), what: (error as Error).message })
    }
  }
  return check.report(audit, baseIndex, lastIndex)
}

/** A folder's own damage, beside its logs. */
export function folderDamages({ faults, problems }: FolderScan): DamageReport[] {
  const inFiles = faults.damages.map(({ file, offset, endOffset }) => {
    const what =
      'a write in the write-ahead file is not what was written: what was in it is missing from the log'
    return { what, file, offset, endOffset }
  })
  return [...inFiles, ...problems.map(what => ({ what: what.replace(ADVICE, '') }))]
}

/** What is not damage: the end of the newest write-ahead file, as a crash leaves it. */
export function tornTail({ faults }: FolderScan): FileFault | undefined {
  return faults.torn
}

/** With the keys of the base, where there is one and it is whole. */
async function auditFrom(
  ordinal: number,
  base: LogBase | undefined,
  chunks: AsyncIterable<Buffer> | undefined,
  check: CopyCheck,
): Promise<LogAudit> {
  if (base === undefined) return new LogAudit(ordinal)
  try {
    if (chunks === undefined) throw new LogError('LOG_DAMAGED', `the base at index ${base.index} is missing`)
    const { keys } = await decodeBase(ordinal, base, chunks)
    return new LogAudit(ordinal, { base, keys })
  } catch (error) {
    if (codeOf(error) !== 'LOG_DAMAGED') throw error
    check.add({ index: base.index, what: (error as Error).message.replace(ADVICE, '') })
    const audit = new LogAudit(ordinal)
    audit.skip(1, base.index)
    return audit
  }
}

/** Index and hash of each checkpoint that must be in the log. All its bytes are read. */
async function checkpointsOf(
  { blobs }: FolderScan,
  log: LogScan,
  check: CopyCheck,
): Promise<Map<number, Buffer>> {
  const places = new Map<number, Buffer>()
  for (const { name, index, hash } of await checkpointNames(log.shard, blobs)) {
    check.checkpoints++
    if (index > log.baseIndex) places.set(index, hash)
    try {
      for await (const _ of blobs.read(name) ?? []);
    } catch (error) {
      if (codeOf(error) !== 'LOG_DAMAGED') throw error
      check.add({
        index,
        what: `the checkpoint there is damaged: ${(error as Error).message.replace(ADVICE, '')}`,
      })
    }
  }
  return places
}

function otherCheckpoint(index: number, expected: Buffer, found: Buffer): DamageReport {
  const what = 'the checkpoint there is of another log'
  return { index, what, expected: expected.toString('hex'), found: found.toString('hex') }
}

function lostCheckpoint(index: number, lastIndex: number): DamageReport {
  const what =
    index > lastIndex ? `the log ends at index ${lastIndex}` : 'no record that can be read ends there'
  return { index, what: `a checkpoint of committed entries was written there, and ${what}` }
}
