/** `npm run sim`: runs seeds of the deterministic simulator. docs/simulator.md says how to use it. */
import { type Hunt, hunt, mutantsNamed, SEEDS_MAX } from './mutants/hunt.js'
import { parseOptions, type SimOptions, USAGE } from './runner/options.js'
import { runSeeds } from './runner/pool.js'
import { neverHit, reportOf } from './runner/report.js'
import { simulate } from './simulation.js'

/** A run goes on until so many seeds have failed. */
const FAILURES_MAX = 5

/** A trace may have more lines than a pipe takes at once: all of them are out before the process ends. */
async function print(lines: readonly string[]): Promise<void> {
  await new Promise<void>(resolve => process.stdout.write(`${lines.join('\n')}\n`, () => resolve()))
}

async function runOne(seed: number, { trace, without, theme }: SimOptions): Promise<boolean> {
  const excluded = new Set(without)
  const result = await simulate({ seed, trace: trace ? 'all' : 'events', excluded, theme })
  if (trace) await print(result.trace)
  const { failure, simulatedMs, operations } = result
  await print([`seed ${seed}: ${operations} operations in ${(simulatedMs / 1_000).toFixed(3)} s`])
  if (failure === undefined) return true
  if (!trace) await print(result.trace)
  await print([`seed ${seed} failed: ${failure.stack}`])
  return false
}

async function runMany(options: SimOptions): Promise<boolean> {
  const { jobs, from, seeds, without, theme, seconds, untilFailure } = options
  const totals = await runSeeds({
    jobs,
    from,
    seeds,
    without,
    theme,
    budgetMs: seconds * 1_000,
    failuresMax: untilFailure ? 1 : FAILURES_MAX,
  })
  await print(reportOf(totals, options))
  const missed = neverHit(totals, options)
  if (missed.length > 0) await print(['', 'never hit:', ...missed.map(what => `  ${what}`)])
  return totals.failures.length === 0 && missed.length === 0
}

/** Every mutant must be caught. */
async function runMutants(name: string, { jobs, from, without }: SimOptions): Promise<boolean> {
  let areCaught = true
  for (const mutant of mutantsNamed(name)) {
    const found = await hunt(mutant, { jobs, from, without, seeds: SEEDS_MAX })
    await print([outcomeOf(found)])
    areCaught &&= found.caught !== undefined
  }
  return areCaught
}

function outcomeOf({ mutant, seeds, caught }: Hunt): string {
  if (caught === undefined) return `SURVIVED ${seeds} seeds: ${mutant.name}`
  const [reason] = caught.reason.split('\n')
  return `caught after ${seeds} seeds: ${mutant.name}: seed ${caught.seed}: ${reason}`
}

async function run(): Promise<boolean> {
  let options: SimOptions
  try {
    options = parseOptions(process.argv.slice(2))
    if (options.mutant !== undefined) mutantsNamed(options.mutant)
  } catch (error) {
    await print([error instanceof Error ? error.message : String(error), '', USAGE])
    return false
  }
  if (options.mutant !== undefined) return await runMutants(options.mutant, options)
  if (options.seed !== undefined) return await runOne(options.seed, options)
  return await runMany(options)
}

process.exit((await run()) ? 0 : 1)
