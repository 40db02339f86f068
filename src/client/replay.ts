/**
 * An incident, told again: the entries of all shards from one moment to another, oldest first, each with what its key held
 * before and after. It is read from the logs alone, of a running cluster or of a folder, and changes nothing there.
 */
import { type Entry, indexOf, Operation } from '../log/entry.js'
import { LogError } from '../log/errors.js'
import { horizonText } from '../log/horizon.js'
import { isSystemKey } from '../log/system-key.js'
import type { ReplaySource } from '../projection/replay-source.js'
import { type ReplayStep, replaySteps } from '../projection/replay-steps.js'
import { type Encoded, type Encoding, type EncodingName, encodingOf } from './encoding.js'
import { VarveError } from './errors.js'
import { type At, cutIn, type ResolvedMoment } from './moment.js'
import type { PastEntry } from './past-entry.js'

/** An entry of any kind. `key` and `value` are undefined for `epoch` and `noop`. */
export interface ReplayedEntry<K = string, V = string> extends Omit<PastEntry<K, V>, 'operation' | 'key'> {
  readonly operation: 'set' | 'delete' | 'epoch' | 'noop'
  readonly key: K | undefined
}

/** One entry and what it changed. */
export interface ReplayEvent<K = string, V = string> {
  readonly entry: ReplayedEntry<K, V>
  /** The set that the key had its value from before; undefined where it had none, and for `epoch` and `noop`. */
  readonly before: ReplayedEntry<K, V> | undefined
  /** The set that it has its value from now; undefined where it has none, and for `epoch` and `noop`. */
  readonly after: ReplayedEntry<K, V> | undefined
}

/** Options of `replay` beside the source. */
export interface ReplayQuery<KE extends EncodingName = 'utf8', VE extends EncodingName = 'utf8'> {
  /** Entries after it are left out. Default: all that is there (of a running cluster: all that is committed). */
  at?: At | undefined
  /** Only entries after it. Default: from the first entry that is kept. */
  from?: At | undefined
  /** Names of the shards. Default: all. */
  shards?: readonly string[] | undefined
  keyEncoding?: KE
  valueEncoding?: VE
  /** Entries of keys that the cluster keeps for itself (tags, retention), too. Default: false. */
  systemKeys?: boolean
}

/** Logs of all shards, wherever they are. */
export interface ReplayLogs {
  /** In the order of their ordinals. */
  readonly shards: readonly ReplayLog[]
  /** Where the shards stood at a moment. Throws VarveError as `VarveClient.resolve`. */
  resolve(at: At | undefined, shards: readonly string[]): Promise<ResolvedMoment>
  close(): Promise<void>
}

export interface ReplayLog {
  readonly name: string
  readonly source: ReplaySource
  /** Entries up to here are known to be committed. */
  readonly committedIndex: number
}

/**
 * The events of these logs, merged by Lamport time: none comes before one that it may depend on. The logs are closed when
 * the iteration ends. Throws VarveError: INVALID_ARGUMENT, UNKNOWN_SHARD, OUT_OF_RANGE, OUT_OF_RETENTION and others.
 */
export async function* replayLogs<KE extends EncodingName, VE extends EncodingName>(
  logs: ReplayLogs,
  query: ReplayQuery<KE, VE>,
): AsyncGenerator<ReplayEvent<Encoded<KE>, Encoded<VE>>, void, void> {
  try {
    const form = {
      key: encodingOf(query.keyEncoding ?? 'utf8', 'keyEncoding'),
      value: encodingOf(query.valueEncoding ?? 'utf8', 'valueEncoding'),
    }
    const chosen = chooseLogs(logs, query.shards)
    const names = chosen.map(({ name }) => name)
    const to = await logs.resolve(query.at, names)
    const from = query.from === undefined ? undefined : await logs.resolve(query.from, names)
    const streams = chosen.map(({ name, source }) => {
      const fromIndex = from === undefined ? undefined : cutIn(from, name).index + 1
      const toIndex = cutIn(to, name).index
      const steps = replaySteps(source, fromIndex === undefined ? { toIndex } : { fromIndex, toIndex })
      return worded(name, steps)
    })
    for await (const { at, step } of mergeByLamport(streams)) {
      if (query.systemKeys !== true && isSystemKey(step.entry.key)) continue
      yield eventOf<Encoded<KE>, Encoded<VE>>(chosen[at]!, step, form)
    }
  } finally {
    await logs.close()
  }
}

function chooseLogs({ shards }: ReplayLogs, wanted: readonly string[] | undefined): readonly ReplayLog[] {
  if (wanted === undefined) return shards
  return wanted.map(name => {
    const found = shards.find(each => each.name === name)
    if (found !== undefined) return found
    const known = shards.map(each => each.name).join(', ')
    throw new VarveError('UNKNOWN_SHARD', `shard ${JSON.stringify(name)}: there are ${known}`)
  })
}

/** The steps; what the log throws is worded for callers, who know shards by their names. */
async function* worded(
  shard: string,
  steps: AsyncGenerator<ReplayStep, void, void>,
): AsyncGenerator<ReplayStep, void, void> {
  try {
    yield* steps
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    const { code, horizon, message } = error
    if (code === 'LOG_OUT_OF_RETENTION' && horizon !== undefined) {
      throw new VarveError('OUT_OF_RETENTION', horizonText(shard, horizon), { cause: error })
    }
    throw new VarveError('DATA_LOSS', `${shard}: ${message}`, { cause: error })
  }
}

/** Steps of several logs as one sequence; equal Lamport times by the order of the logs. */
async function* mergeByLamport(
  streams: readonly AsyncGenerator<ReplayStep, void, void>[],
): AsyncGenerator<{ at: number; step: ReplayStep }, void, void> {
  try {
    const heads = await Promise.all(streams.map(async stream => (await stream.next()).value ?? undefined))
    for (;;) {
      let next = -1
      for (const [at, head] of heads.entries()) {
        if (head === undefined) continue
        const best = heads[next]
        if (best === undefined || head.entry.stamp.lamport < best.entry.stamp.lamport) next = at
      }
      if (next === -1) return
      yield { at: next, step: heads[next]! }
      heads[next] = (await streams[next]!.next()).value ?? undefined
    }
  } finally {
    // Whoever stops early lets go of what the sources hold.
    await Promise.all(streams.map(stream => stream.return()))
  }
}

interface Form {
  readonly key: Encoding
  readonly value: Encoding
}

const OPERATION_NAMES = {
  [Operation.SET]: 'set',
  [Operation.DELETE]: 'delete',
  [Operation.EPOCH]: 'epoch',
  [Operation.NOOP]: 'noop',
} as const

function eventOf<K, V>(log: ReplayLog, { entry, before, after }: ReplayStep, form: Form): ReplayEvent<K, V> {
  const one = replayedEntry<K, V>(log, entry, form)
  return {
    entry: one,
    before: before === undefined ? undefined : replayedEntry(log, before, form),
    after: after === undefined ? undefined : one,
  }
}

function replayedEntry<K, V>(log: ReplayLog, entry: Entry, form: Form): ReplayedEntry<K, V> {
  const { key, value, index, epoch, stamp, operation } = entry
  const isSet = operation === Operation.SET
  const hasKey = isSet || operation === Operation.DELETE
  return {
    operation: OPERATION_NAMES[operation],
    key: hasKey ? (form.key.decode(key, 0, key.length) as K) : undefined,
    value: isSet ? (form.value.decode(value, 0, value.length) as V) : undefined,
    shard: log.name,
    epoch,
    index,
    lamport: stamp.lamport,
    wallMs: stamp.wallMs,
    committed: index <= log.committedIndex,
    actor: entry.actor,
    clientId: entry.clientId.toString('hex'),
    sequence: entry.sequence,
    previous: indexOf(entry.previous),
    batchContinues: entry.batchContinues,
    record: entry.record,
  }
}
