/** Replicas are killed one after another until none is left: who can still be served? */

import { isWrite } from '../../history/history-event.js'
import type { Verdict } from '../../history/verdict.js'
import type { RecordedOperation, RecordedRun } from '../record/recorded-run.js'
import type { JudgedRun } from '../run-experiment.js'
import type { Builtin } from './builtin.js'
import { conclude as always } from './conclude.js'
import { judged, percent } from './measured.js'

const description = {
  name: 'availability',
  title: 'How many must live',
  about:
    'Five replicas of one shard are killed one after another, the head each time, and none is started again. Half of ' +
    'the clients ask for strong writes and reads, half for weak ones; each gives up after half a second.',
  cluster: { shards: 1, replicas: 5, topology: 'chain' },
  consistency: 'mixed',
  workload: { kind: 'normal', clients: 8, duration: '27s', timeout: '500ms' },
  faults: [5, 9, 13, 17, 21].map(seconds => ({ at: `${seconds}s`, kill: 'HEAD' })),
}

/** What a shard of that many replicas asks for: of its in-sync members two, as docs/protocol.md says. */
const NEEDED = { 'strong writes': 2, 'strong reads': 2, 'weak writes': 1, 'weak reads': 1 } as const
type Class = keyof typeof NEEDED

/** What happens until somebody else leads is no matter of how many live. */
const CHANGE_MS = 2_000
/** Served: nearly all, as an operation that meets the end of a phase may fail. */
const SERVED_SHARE = 0.9

interface Phase {
  readonly alive: number
  readonly fromMs: number
  readonly toMs: number
}

function conclude(runs: readonly JudgedRun[]): Verdict[] {
  return [
    ...always(runs),
    ...runs.flatMap(({ run }) => (Object.keys(NEEDED) as Class[]).map(each => needed(run, each))),
  ]
}

function needed(run: RecordedRun, of: Class): Verdict {
  const shares = phasesOf(run).map(({ alive, fromMs, toMs }) => {
    const asked = run.operations.filter(
      each => classOf(each) === of && each.invokedMs >= fromMs && (each.returnedMs ?? toMs + 1) <= toMs,
    )
    const ok = asked.filter(({ outcome }) => outcome === 'ok').length
    return { alive, share: asked.length === 0 ? 0 : ok / asked.length }
  })
  const served = shares.filter(({ share }) => share >= SERVED_SHARE).map(({ alive }) => alive)
  const least = Math.min(...served)
  const expected = shares.filter(({ alive }) => alive >= NEEDED[of])
  const isKept = least === NEEDED[of] && served.length === expected.length
  const must = Number.isFinite(least) ? `${least} of ${shares[0]!.alive}` : 'never served'
  return judged(`how many must live for ${of}`, isKept, `${must} (answered with ${shareText(shares)})`)
}

/** `5, 4, 3, 2 alive: 100.0 %; 1, 0 alive: 0.0 %`. */
function shareText(shares: readonly { readonly alive: number; readonly share: number }[]): string {
  const groups = new Map<string, number[]>()
  for (const { alive, share } of shares) {
    const text = percent(share)
    groups.set(text, [...(groups.get(text) ?? []), alive])
  }
  return [...groups].map(([text, alive]) => `${alive.join(', ')} alive: ${text}`).join('; ')
}

/** From one kill to the next, without the time in which the cluster changes. */
function phasesOf({ about, faults, loads }: RecordedRun): Phase[] {
  const replicas = Object.values(about.shards)[0]?.length ?? 0
  const kills = faults.filter(({ action, problem }) => action === 'kill' && problem === undefined)
  const endMs = loads.findLast(({ state }) => state === 'ended')?.atMs ?? 0
  return [0, ...kills.map(({ atMs }) => atMs)].map((fromMs, at) => ({
    alive: replicas - at,
    fromMs: fromMs + (at === 0 ? 0 : CHANGE_MS),
    toMs: kills[at]?.atMs ?? endMs,
  }))
}

function classOf(operation: RecordedOperation): Class {
  const mode = operation.consistency === 'strong' ? 'strong' : 'weak'
  return isWrite(operation) ? `${mode} writes` : `${mode} reads`
}

export const availability: Builtin = { description, conclude }
