/** Makes a copy of the build with a mutant in it. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mutant } from './mutants.js'

/** The build that this file is part of. */
export const BUILD = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * Returns the worker of the copy in `dir`, which is replaced.
 * @throws Error when an edit's text does not occur exactly once in its file
 */
export function buildMutant({ name, edits }: Mutant, dir: string): string {
  rmSync(dir, { recursive: true, force: true })
  for (const part of ['src', 'test', 'tools']) cpSync(join(BUILD, part), join(dir, part), { recursive: true })
  for (const { file, find, replace } of edits) {
    const path = join(dir, file)
    const text = readFileSync(path, 'utf8')
    const times = text.split(find).length - 1
    if (times !== 1) {
      throw new Error(`mutant '${name}': its text occurs ${times} times in ${file}, expected once:\n${find}`)
    }
    writeFileSync(
      path,
      text.replace(find, () => replace),
    )
  }
  return join(dir, 'test/simulation/runner/worker-main.js')
}
