/** Has the heads of shards write orphans anew, in calls of bounded size, again and again where that may help. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Inspector } from '../src/client/inspector.js'
import type { ResubmitResponse } from '../src/generated/varve/v1/cluster.js'
import type { Entry } from '../src/generated/varve/v1/entry.js'
import { Operation } from '../src/log/entry.js'
import { codeOf, unavailable } from './exit-codes.js'
import type { LogLine } from './log-line.js'
import type { PlannedUnit } from './resubmit-plan.js'

/** A call holds about so many bytes and orphans; one large batch may exceed the bytes. */
const CALL_SIZE_BYTES_TARGET = 1_048_576
const CALL_ORPHANS_MAX = 1_000

const PAUSE_MS = 200

/** Codes that say: later, or elsewhere. Asking again is safe, as nothing is written twice. */
const AGAIN = new Set(['NOT_HEAD', 'NOT_MEMBER', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'])

/** What a head said of one orphan. */
export interface Outcome {
  readonly line: LogLine
  /** "written", "already resubmitted", "in the log"; "expired" where the shard can no longer tell. */
  readonly outcome: string
  /** Where the log holds it now; 0 where it does not. */
  readonly index: number
}

/** The part of an inspector that is needed. */
export type Heads = Pick<Inspector, 'resubmit'>

/**
 * Resubmits units of one shard, in order; `tell` hears of each call's outcomes as they come. `headOf` gives
 * the address of a shard's head as it is now, '' for none. Rejects when a call was tried for `timeoutMs` in vain.
 */
export async function resubmitAll(
  heads: Heads,
  units: readonly PlannedUnit[],
  { headOf, timeoutMs }: { headOf: (shard: string) => Promise<string>; timeoutMs: number },
  tell: (outcomes: Outcome[]) => Promise<void>,
): Promise<void> {
  for (const call of inCalls(units)) {
    for (const outcomes of await inParts(call, part => patiently(heads, part, headOf, timeoutMs))) {
      await tell(outcomes)
    }
  }
}

/** One call; where one of its units is expired, two of half the size, so that the others are written. */
async function inParts(
  units: readonly PlannedUnit[],
  send: (units: readonly PlannedUnit[]) => Promise<ResubmitResponse>,
): Promise<Outcome[][]> {
  const lines = units.flatMap(unit => unit.lines)
  try {
    const { results } = await send(units)
    return [lines.map((line, at) => outcomeOf(line, results[at]))]
  } catch (error) {
    if (codeOf(error) !== 'SESSION_EXPIRED') throw error
    if (units.length === 1) return [lines.map(line => ({ line, outcome: 'expired', index: 0 }))]
    const half = Math.ceil(units.length / 2)
    const first = await inParts(units.slice(0, half), send)
    return [...first, ...(await inParts(units.slice(half), send))]
  }
}

function outcomeOf(line: LogLine, result: ResubmitResponse['results'][number] | undefined): Outcome {
  return { line, outcome: result?.outcome ?? 'not answered', index: result?.position?.index ?? 0 }
}

async function patiently(
  heads: Heads,
  units: readonly PlannedUnit[],
  headOf: (shard: string) => Promise<string>,
  timeoutMs: number,
): Promise<ResubmitResponse> {
  const { shard } = units[0]!
  const entries = units.flatMap(({ lines }) => lines.map(entryOf))
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      const head = await headOf(shard)
      if (head === '') throw unavailable(`${shard} has no head now`)
      return await heads.resubmit(head, { shard, entries })
    } catch (error) {
      const isOurs = error instanceof Error && error.name === 'CommandError'
      if (!isOurs && !AGAIN.has(codeOf(error) ?? '')) throw error
      if (performance.now() >= deadline) throw error
      await delay(PAUSE_MS)
    }
  }
}

/** Units in calls that are not too large. */
function* inCalls(units: readonly PlannedUnit[]): Generator<PlannedUnit[]> {
  let call: PlannedUnit[] = []
  let count = 0
  let sizeBytes = 0
  for (const unit of units) {
    const unitBytes = unit.lines.reduce((sum, { key, value }) => sum + key.length + value.length + 128, 0)
    const isFull =
      sizeBytes + unitBytes > CALL_SIZE_BYTES_TARGET || count + unit.lines.length > CALL_ORPHANS_MAX
    if (call.length > 0 && isFull) {
      yield call
      call = []
      count = 0
      sizeBytes = 0
    }
    call.push(unit)
    count += unit.lines.length
    sizeBytes += unitBytes
  }
  if (call.length > 0) yield call
}

/** The entry as the node that holds it gave it. */
function entryOf(line: LogLine): Entry {
  const { shard, epoch, index, lamport, wallMs, committed, operation, ...rest } = line
  return {
    ...rest,
    position: { shard, epoch, index, stamp: { lamport, wallMs }, committed },
    operation: operation === 'set' ? Operation.SET : Operation.DELETE,
  }
}
