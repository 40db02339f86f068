/** `npm run chaos`: see docs/chaos.md. Exits with 1 on a violation, 2 on bad usage, 3 where it could not run. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommanderError } from 'commander'
import type { Verdict } from '../../tools/history/verdict.js'
import { runChaos } from './chaos-run.js'
import { loadEvidence } from './evidence.js'
import { judge } from './judge.js'
import { type ChaosOptions, parseOptions } from './options.js'
import { verdictTable } from './verdict-table.js'

process.exit(await main())

async function main(): Promise<number> {
  let options: ChaosOptions
  try {
    options = parseOptions(process.argv)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
  const dir = options.check ?? options.keep ?? mkdtempSync(join(tmpdir(), 'varve-chaos-'))
  try {
    if (options.check !== undefined) return report(judge(loadEvidence(dir)), dir, options)
    if (existsSync(dir) && readdirSync(dir).length > 0) {
      console.error(`chaos: --keep ${dir} is not empty: give an empty or a new folder`)
      return 2
    }
    const { verdicts } = await runChaos(options, dir, line => console.log(line))
    const code = report(verdicts, dir, options)
    if (code === 0 && options.keep === undefined) rmSync(dir, { recursive: true, force: true })
    return code
  } catch (error) {
    console.error(error)
    console.error(`chaos: the run could not be finished; what there is stands in ${dir}`)
    return 3
  }
}

function report(verdicts: readonly Verdict[], dir: string, { seed, check }: ChaosOptions): number {
  console.log(`\n${verdictTable(verdicts)}`)
  const wrong = verdicts.filter(({ ok }) => !ok)
  if (wrong.length === 0) return 0
  const lines = wrong.flatMap(({ what, violations }) => [what, ...violations.map(each => `  ${each}`), ''])
  const file = join(dir, 'violations.txt')
  writeFileSync(file, lines.join('\n'))
  console.error(
    `chaos: ${wrong.length} of ${verdicts.length} promises were broken${check === undefined ? `, seed ${seed}` : ''}`,
  )
  console.error(
    `history: ${join(dir, 'history.jsonl')}; violations: ${file}; judge it again: npm run chaos -- --check ${dir}`,
  )
  return 1
}
