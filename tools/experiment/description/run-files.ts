/** Run files of an experiment are read before anything is started: a line that cannot be read is told then. */

import { badUsage, codeOf } from '../../exit-codes.js'
import { readRunFile } from '../workload/file-source.js'
import type { Experiment, Variant } from './variants.js'

/** The experiment, which now knows how many operations its files hold. Throws bad-usage errors that name file and line. */
export async function withRunFiles(experiment: Experiment): Promise<Experiment> {
  return { ...experiment, variants: await Promise.all(experiment.variants.map(withRunFile)) }
}

async function withRunFile({ name, description }: Variant): Promise<Variant> {
  const { workload } = description
  if (workload.kind !== 'run-file') return { name, description }
  const found = await readRunFile(workload).catch(error => {
    if (codeOf(error) === undefined) throw error
    throw badUsage(
      `${workload.file} cannot be read (${codeOf(error)}): expected a file with an operation a line`,
    )
  })
  return { name, description: { ...description, workload: { ...workload, operations: found.length } } }
}
