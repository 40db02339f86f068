/** The logs that `varve replay` reads, as the library replays them, and where they stood at the moment that is asked for. */

import { type Entry, indexOf, type Position, slotOf } from '../../src/log/entry.js'
import type { LogDamage } from '../../src/log/log-damage.js'
import type { LogRecord } from '../../src/log/record-codec.js'
import type { ReplayBase, ReplaySource } from '../../src/projection/replay-source.js'
import { momentContext } from '../commands/log-options.js'
import { selectRanges } from '../log-selection.js'
import { type LogOptions, type LogSource, recordAt } from '../log-source.js'
import { momentName } from '../past/moment-text.js'
import { timeOf } from '../past/past-options.js'
import { cutOf, type PastMoment, withPast } from '../past/past-source.js'

/** One shard's log, and where it is to be replayed to. */
export interface ReplayTarget {
  readonly shard: string
  readonly source: ReplaySource
  readonly toIndex: number
  /** Entries up to here are known to be committed. */
  readonly commitIndex: number
}

export interface ReplayTargets {
  readonly targets: readonly ReplayTarget[]
  /** What the moment came to; undefined where damage is skipped: then nobody can say more than the indexes. */
  readonly moment: PastMoment | undefined
  /** The moment as it is told. */
  readonly name: string
}

/** The options that say what is to be replayed. */
export interface TargetOptions extends LogOptions {
  readonly at?: string
  readonly check?: boolean
}

/** Finds the moment `at` (default: now) in the logs that are wanted. Rejects as `PastSource.resolve`. */
export async function findTargets(logs: LogSource, options: TargetOptions): Promise<ReplayTargets> {
  if (options.skipDamaged) return await targetsInDamage(logs, options)
  // A read of the past, which the check compares with, goes over all shards.
  const wanted = options.shard === undefined || options.check ? undefined : [options.shard]
  const moment = await withPast(options, past => past.resolve(timeOf(options.at, '--at'), '--at', wanted))
  const targets: ReplayTarget[] = []
  for (const shard of Object.keys(moment.cuts)) {
    if (options.shard !== undefined && shard !== options.shard) continue
    const commitIndex = await logs.commitIndex(shard)
    targets.push({
      shard,
      source: new LogSourceReplay(logs, shard),
      toIndex: cutOf(moment, shard).index,
      commitIndex,
    })
  }
  return { targets, moment, name: momentName(moment) }
}

/** Whoever reads on behind damage has no projection: the logs alone say where the moment is. */
async function targetsInDamage(logs: LogSource, options: TargetOptions): Promise<ReplayTargets> {
  const { shard, at } = options
  const selection = { ...(shard === undefined ? {} : { shard }), ...(at === undefined ? {} : { to: at }) }
  const ranges = await selectRanges(selection, logs, momentContext(options))
  const targets = ranges.map(range => ({
    shard: range.shard,
    source: new LogSourceReplay(logs, range.shard),
    toIndex: range.lastIndex,
    commitIndex: range.info.commitIndex,
  }))
  return { targets, moment: undefined, name: at ?? 'now' }
}

/** One line for each damage, each once: the log is read more than once. */
export class DamageNotes {
  readonly #told = new Set<string>()
  readonly #tell: (line: string) => void

  constructor(tell: (line: string) => void) {
    this.#tell = tell
  }

  get count(): number {
    return this.#told.size
  }

  readonly note = (shard: string, damage: LogDamage): void => {
    const line = damage.text(shard)
    if (this.#told.has(line)) return
    this.#told.add(line)
    this.#tell(`varve: damaged: ${line}`)
  }
}

/** A log of a `LogSource`. */
export class LogSourceReplay implements ReplaySource {
  readonly shard: number
  readonly #logs: LogSource
  readonly #name: string

  constructor(logs: LogSource, name: string) {
    this.shard = logs.ordinal(name)
    this.#logs = logs
    this.#name = name
  }

  async base(): Promise<ReplayBase | undefined> {
    const { base } = await this.#logs.logInfo(this.#name)
    if (base === undefined) return undefined
    return { name: base, chunks: () => this.#chunks() }
  }

  records(fromIndex: number, toIndex: number): AsyncIterable<LogRecord> {
    return this.#logs.records(this.#name, fromIndex, Number.isFinite(toIndex) ? toIndex : 0)
  }

  /** What a base holds is not looked for: of such an entry undefined is told. */
  async previous(position: Position): Promise<Entry | undefined> {
    const record = await recordAt(this.#logs, this.#name, indexOf(position))
    return record?.entry(slotOf(position))
  }

  async *#chunks(): AsyncGenerator<Buffer, void, void> {
    const chunks = await this.#logs.baseBlob(this.#name)
    if (chunks !== undefined) yield* chunks
  }
}
