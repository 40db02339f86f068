/** How far an experiment is, for people who wait for it. */

import { note } from '../output.js'
import { type Progress, showProgress } from '../progress.js'
import { count } from '../text.js'
import type { PlannedRun } from './description/variants.js'
import type { RunProgress } from './one-run.js'

/** A bar on a terminal, a line for each stage elsewhere. Each run takes the place of the one before. */
export async function runProgress(): Promise<(planned: PlannedRun, at: number, of: number) => RunProgress> {
  let bar: Progress | undefined
  return ({ name }, at, of) => {
    const run = of === 1 ? name : `${name} (${at + 1} of ${of})`
    let stage = ''
    void bar?.stop()
    bar = undefined
    return {
      stage: (what, done, total) => {
        const isNew = what !== stage
        stage = what
        if (!process.stderr.isTTY) {
          if (isNew) note(`${run}: ${what}${total === undefined ? '' : `, ${count(total)}`}`)
          return
        }
        void show(`${run}: ${what}`, isNew, done, total)
      },
    }
  }

  async function show(label: string, isNew: boolean, done = 0, total = 0): Promise<void> {
    bar ??= await showProgress(label, total)
    if (isNew) bar.restart(label, total)
    bar.update(done)
  }
}
