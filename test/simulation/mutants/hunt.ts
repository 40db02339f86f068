/** Looks for a seed that a mutant fails on. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type PoolOptions, runSeeds } from '../runner/pool.js'
import { BUILD, buildMutant } from './build.js'
import { MUTANTS, type Mutant } from './mutants.js'

/** Every mutant must fail on one of the first so many seeds. */
export const SEEDS_MAX = 400

export interface Hunt {
  readonly mutant: Mutant
  /** Seeds tried, the one that failed included. */
  readonly seeds: number
  /** What was found; undefined where it survived. */
  readonly caught: { readonly seed: number; readonly reason: string } | undefined
}

/** The mutants of that name, or all. Throws an Error that names those that there are. */
export function mutantsNamed(name: string): readonly Mutant[] {
  if (name === 'all') return MUTANTS
  const found = MUTANTS.filter(mutant => mutant.name === name)
  if (found.length > 0) return found
  const names = MUTANTS.map(mutant => `'${mutant.name}'`).join(', ')
  throw new Error(`there is no mutant '${name}': expected 'all' or one of ${names}`)
}

/** Tries seed after seed from `from` on, at most `seeds`, in `jobs` processes. */
export async function hunt(
  mutant: Mutant,
  options: Pick<PoolOptions, 'jobs' | 'from' | 'seeds' | 'without'>,
): Promise<Hunt> {
  const dir = join(BUILD, '..', `mutant-${mutant.name.replaceAll(' ', '-')}`)
  try {
    const worker = buildMutant(mutant, dir)
    const totals = await runSeeds({
      ...options,
      theme: mutant.theme,
      budgetMs: Number.POSITIVE_INFINITY,
      failuresMax: 1,
      worker,
    })
    return { mutant, seeds: totals.seeds, caught: totals.failures[0] }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
