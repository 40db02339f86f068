/** An experiment as a whole: its variants, each a description of its own, merged over what they share. */

import { z } from 'zod'
import { badUsage } from '../../exit-codes.js'
import { isObject } from '../../history/json-line.js'
import { fileNameOf } from '../record/file-name.js'
import { text } from '../workload/fields.js'
import { type Description, descriptionSchema } from './description.js'
import { readFields } from './fields.js'

const VARIANTS_MAX = 100
const VARIANTS_ALLOWED = `allowed is a list of 1 to ${VARIANTS_MAX} variants, each an object with a name`

/** Ways to run an experiment, to be compared: `strong` and `weak`, `chain` and `star`. */
export interface Experiment {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly repetitions: number
  /** At least one. Names are unique. */
  readonly variants: readonly Variant[]
}

export interface Variant {
  /** Of the experiment itself where it has no variants. */
  readonly name: string
  readonly description: Description
}

/** One run to make. */
export interface PlannedRun {
  /** The variant's name, `#2` and so on for further repetitions. */
  readonly name: string
  readonly variant: string
  /** From 1. Each has a seed of its own; the same one is the same for all variants. */
  readonly repetition: number
  readonly description: Description
}

/** What the variants themselves must not change. */
const SHARED = ['title', 'about', 'repetitions', 'variants'] as const

const variantsSchema = z
  .array(z.looseObject({ name: text(64, 1) }), { error: VARIANTS_ALLOWED })
  .min(1, { error: VARIANTS_ALLOWED })
  .max(VARIANTS_MAX, { error: VARIANTS_ALLOWED })

/** Reads an experiment from the value of a file. `where` names it in messages. Throws bad-usage errors. */
export function readExperimentValue(given: unknown, where: string): Experiment {
  if (!isObject(given)) throw badUsage(`${where}: expected an object with the fields of an experiment`)
  const { variants: listed, ...base } = given
  if (listed === undefined) {
    const description = readFields(descriptionSchema, base, where)
    return experimentOf(description, [{ name: description.name, description }])
  }
  const variants = readFields(variantsSchema, listed, `${where}: variants`).map((raw, at): Variant => {
    const place = `${where}: variants[${at}]`
    const { name, ...changes } = raw
    const wrong = SHARED.find(field => field in changes)
    if (wrong !== undefined)
      throw badUsage(`${place}: ${wrong}: it is the same for all variants: give it above`)
    const merged = merge(base, changes)
    return { name, description: readFields(descriptionSchema, merged, place) }
  })
  // Their files are called after them.
  const called = variants.map(({ name }) => fileNameOf(name).toLowerCase())
  const twice = variants.find((_, at) => called.indexOf(called[at]!) !== at)
  if (twice !== undefined)
    throw badUsage(`${where}: variants: "${twice.name}" given twice, names differ in letters and digits`)
  return experimentOf(variants[0]!.description, variants)
}

/** The runs of an experiment in the order in which they are made: repetitions alternate between the variants. */
export function plannedRuns({ repetitions, variants }: Experiment): PlannedRun[] {
  return Array.from({ length: repetitions }, (_, at) => at + 1).flatMap(repetition =>
    variants.map(({ name, description }) => ({
      name: repetition === 1 ? name : `${name}#${repetition}`,
      variant: name,
      repetition,
      description: { ...description, seed: (description.seed + repetition - 1) % 4_294_967_296 },
    })),
  )
}

function experimentOf(shared: Description, variants: readonly Variant[]): Experiment {
  const { name, about, repetitions } = shared
  return { name, title: shared.title === '' ? name : shared.title, about, repetitions, variants }
}

/**
 * Objects field by field, all else as a whole; null takes a field away. A workload of another kind shares nothing with the
 * one before.
 */
function merge(base: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...base }
  for (const [field, change] of Object.entries(changes)) {
    const before = merged[field]
    if (change === null) {
      delete merged[field]
      continue
    }
    const isOther = isObject(change) && isObject(before) && 'kind' in change && change.kind !== before.kind
    merged[field] = isObject(change) && isObject(before) && !isOther ? merge(before, change) : change
  }
  return merged
}
