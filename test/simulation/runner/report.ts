/** What a run says at its end. */
import { EXPECTED, EXPECTED_FROM_SEEDS } from './coverage.js'
import type { SeedSettings } from './messages.js'
import type { Totals } from './pool.js'

/** Lines for people. */
export function reportOf(totals: Totals, settings: SeedSettings): string[] {
  const { seeds, simulatedMs, realMs, events, operations, counts, failures } = totals
  const kinds = [...counts].sort(([one], [other]) => (one < other ? -1 : 1))
  const width = Math.max(0, ...kinds.map(([what]) => what.length))
  const options = optionsOf(settings)
  return [
    ...kinds.map(([what, count]) => `  ${what.padEnd(width)} ${count}`),
    '',
    `${seeds} seeds, ${operations} operations, ${events} events`,
    `${durationOf(simulatedMs)} simulated in ${durationOf(realMs)}: ${Math.round(simulatedMs / realMs)} times as fast`,
    ...failures.flatMap(({ seed, reason }) => [
      '',
      `seed ${seed} failed: ${reason}`,
      `again: npm run sim -- --seed ${seed} --trace${options}`,
    ]),
  ]
}

/** Faults and transitions that must have happened and did not; none is demanded of a short run. */
export function neverHit({ seeds, counts }: Totals, { without, theme }: SeedSettings): string[] {
  if (seeds < EXPECTED_FROM_SEEDS || theme !== undefined) return []
  const left = new Set(without.map(fault => `fault: ${fault}`))
  return EXPECTED.filter(what => !counts.has(what) && !left.has(what))
}

/** As they stand on the command line. */
function optionsOf({ without, theme }: SeedSettings): string {
  const left = without.map(fault => ` --without '${fault}'`).join('')
  return theme === undefined ? left : `${left} --theme ${theme}`
}

function durationOf(ms: number): string {
  const seconds = ms / 1_000
  if (seconds < 120) return `${seconds.toFixed(1)} s`
  if (seconds < 7_200) return `${(seconds / 60).toFixed(1)} min`
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1)} h`
  return `${(seconds / 86_400).toFixed(1)} days (${(seconds / 31_557_600).toFixed(4)} years)`
}
