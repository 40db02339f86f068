/** What a chaos run leaves behind for its judge: histories, logs, orphans, faults. In memory and in a folder. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readEntries, writeEntries } from '../../tools/history/entries-file.js'
import type { HistoryOperation, LoggedEntry } from '../../tools/history/history-event.js'
import { HistoryWriter, readHistory } from '../../tools/history/history-file.js'
import type { MadeFault } from './schedule.js'

/** What is not a list of operations or entries. */
export interface RunFacts {
  readonly about: Readonly<Record<string, unknown>>
  readonly faults: readonly MadeFault[]
  /** How many replicas' logs were compared, and each difference in words. */
  readonly replicas: number
  readonly differences: readonly string[]
  /** How long it took after the last fault until all replicas were equal; undefined where they never were. */
  readonly convergedMs: number | undefined
  /** Why they were not, in words. */
  readonly notConverged: string | undefined
  /** Processes that ended by themselves without a reason, in words. */
  readonly unexpectedEnds: readonly string[]
  /** Head of each epoch, by `shard/epoch`. */
  readonly heads: Readonly<Record<string, string>>
  /** Nodes whose files were damaged, and when. */
  readonly damaged: readonly { readonly address: string; readonly atMs: number }[]
  /** What passed through the relays between the processes. */
  readonly relayedBytes: number
  /** What this machine did not permit. */
  readonly notices: readonly string[]
}

export interface Evidence {
  readonly operations: readonly HistoryOperation[]
  /** Of one replica of each shard; the others' must be the same. */
  readonly log: readonly LoggedEntry[]
  readonly orphans: readonly LoggedEntry[]
  readonly facts: RunFacts
}

const FILES = { history: 'history.jsonl', log: 'log.jsonl', orphans: 'orphans.jsonl', facts: 'facts.json' }

/** Writes everything into a folder; returns the history's file. */
export function saveEvidence(dir: string, { operations, log, orphans, facts }: Evidence): string {
  const history = join(dir, FILES.history)
  const writer = new HistoryWriter(history, 'CLOCK_MONOTONIC, ms', facts.about)
  const inTime = [...operations].sort((a, b) => a.invokedMs - b.invokedMs)
  for (const operation of inTime) writer.write(operation)
  writer.close()
  writeEntries(join(dir, FILES.log), 'log', log)
  writeEntries(join(dir, FILES.orphans), 'orphans', orphans)
  writeFileSync(join(dir, FILES.facts), `${JSON.stringify(facts, null, 2)}\n`)
  return history
}

/** Reads what {@link saveEvidence} wrote. */
export function loadEvidence(dir: string): Evidence {
  return {
    operations: readHistory(join(dir, FILES.history)).operations,
    log: readEntries(join(dir, FILES.log)),
    orphans: readEntries(join(dir, FILES.orphans)),
    facts: JSON.parse(readFileSync(join(dir, FILES.facts), 'utf8')) as RunFacts,
  }
}
