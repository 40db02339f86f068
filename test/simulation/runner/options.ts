/** The command line of `npm run sim`. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { FAULTS, THEMES, type ThemeName } from '../faults/names.js'

export interface SimOptions {
  readonly seeds: number
  readonly from: number
  /** One seed alone. */
  readonly seed: number | undefined
  readonly trace: boolean
  readonly untilFailure: boolean
  /** A mutant's name, or `all`. */
  readonly mutant: string | undefined
  readonly jobs: number
  /** Faults that do not happen. */
  readonly without: readonly string[]
  /** What all seeds go for; undefined: each for its own. */
  readonly theme: ThemeName | undefined
  /** No new seed is begun after so many seconds. */
  readonly seconds: number
}

export const USAGE = `usage: npm run sim -- [options]
  --seeds N         so many seeds (default 100)
  --from N          the first of them (default 1)
  --seed N          this seed alone
  --trace           with --seed: print its whole trace
  --until-failure   go on until a seed fails
  --mutant NAME     break the code in this way and see that a seed fails; 'all': each in its turn
  --jobs N          processes (default: as many as there are cores)
  --without FAULT   leave a fault out; may be given again
  --theme NAME      all seeds go for this: ${Object.keys(THEMES).join(', ')}
  --seconds N       begin no new seed after so many seconds`

/** Throws an Error whose message is one line. */
export function parseOptions(args: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
      trace: { type: 'boolean' },
      'until-failure': { type: 'boolean' },
      mutant: { type: 'string' },
      jobs: { type: 'string' },
      without: { type: 'string', multiple: true },
      theme: { type: 'string' },
      seconds: { type: 'string' },
    },
  })
  const whole = (name: 'seeds' | 'from' | 'seed' | 'jobs' | 'seconds'): number | undefined => {
    const text = values[name]
    if (text === undefined) return undefined
    const number = Number(text)
    if (Number.isSafeInteger(number) && number > 0) return number
    throw new Error(`--${name} is ${text}: expected a whole number above 0`)
  }
  const untilFailure = values['until-failure'] === true
  if (values.trace === true && values.seed === undefined) throw new Error('--trace needs --seed N')
  return {
    seeds: untilFailure ? Number.MAX_SAFE_INTEGER : (whole('seeds') ?? 100),
    from: whole('from') ?? 1,
    seed: whole('seed'),
    trace: values.trace === true,
    untilFailure,
    mutant: values.mutant,
    jobs: whole('jobs') ?? availableParallelism(),
    without: (values.without ?? []).map(faultNamed),
    theme: themeNamed(values.theme),
    seconds: whole('seconds') ?? Number.POSITIVE_INFINITY,
  }
}

function themeNamed(name: string | undefined): ThemeName | undefined {
  if (name === undefined || name in THEMES) return name as ThemeName | undefined
  throw new Error(`--theme is ${name}: expected one of ${Object.keys(THEMES).join(', ')}`)
}

function faultNamed(name: string): string {
  if (FAULTS.some(fault => fault === name)) return name
  throw new Error(`--without is ${name}: expected one of ${FAULTS.join(', ')}`)
}
