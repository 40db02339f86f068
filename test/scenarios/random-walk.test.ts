/**
 * Random walks over everything that can happen to a shard, judged from outside: with the real coordinator, and with
 * one that changes configurations at whim. `VARVE_WALK=free:N` (or `coordinator:N`) takes the walk of seed N again and
 * prints its trace; `VARVE_WALK_SEEDS` and `VARVE_WALK_FROM` say how many to take and from where.
 */
import { performance } from 'node:perf_hooks'
import test from 'ava'
import { type Mode, walk } from './walk/walk.js'

const SEEDS = Number(process.env.VARVE_WALK_SEEDS ?? 400)
const FROM = Number(process.env.VARVE_WALK_FROM ?? 1)
/**
 * However slow the machine is: after this no new walk is begun, unless a number of them was asked for, or something that must
 * happen has not happened yet: some of it is rare, and how many walks the time is good for is the machine's affair.
 */
const BUDGET_MS = process.env.VARVE_WALK_SEEDS === undefined ? 10_000 : Number.POSITIVE_INFINITY
const TRACE_SHOWN = 80

/** What must have happened somewhere in the walks, or they prove less than they seem to. */
const EXPECTED_IN_ALL = [
  'committed',
  'acknowledged',
  'unknown',
  'cut',
  'readReady',
  'readRefused',
  'crash',
  'overtake',
  'drop',
  'duplicate',
  'breakLink',
  'isolate',
]
const EXPECTED: Readonly<Record<Mode, readonly string[]>> = {
  coordinator: [...EXPECTED_IN_ALL, 'crashCoordinator'],
  free: [...EXPECTED_IN_ALL, 'read at a head that was overtaken'],
}

const again = process.env.VARVE_WALK?.split(':')

if (again !== undefined) {
  test(`the random walk ${again.join(' ')} keeps every promise`, async t => {
    const { failure, trace } = await walk(Number(again[1]), again[0] as Mode)
    t.log(trace.join('\n'))
    t.is(failure?.stack, undefined)
  })
} else {
  for (const mode of ['coordinator', 'free'] as const) {
    test.serial(`random walks (${mode}) keep every promise, whatever fails`, async t => {
      const started = performance.now()
      const totals = new Map<string, number>()
      let taken = 0
      const missing = () => EXPECTED[mode].filter(what => !totals.has(what))
      const mayGoOn = () => performance.now() - started < BUDGET_MS || missing().length > 0
      for (; taken < SEEDS && mayGoOn(); taken += 1) {
        const seed = FROM + taken
        const { failure, trace, counts } = await walk(seed, mode)
        for (const [what, count] of counts) totals.set(what, (totals.get(what) ?? 0) + count)
        if (failure === undefined) continue
        t.log(trace.slice(-TRACE_SHOWN).join('\n'))
        t.log(`again: VARVE_WALK=${mode}:${seed} npx ava test/scenarios/random-walk.test.ts`)
        t.fail(`seed ${seed}: ${failure.message}`)
        return
      }
      t.log(`${taken} walks: ${[...totals].map(([what, count]) => `${what} ${count}`).join(', ')}`)
      t.deepEqual(missing(), [])
    })
  }
}
