/**
 * The description of an experiment: which cluster, which load, what happens to it and what is recorded. What is written is
 * read strictly and whole: an unknown field or a value that makes no sense is refused before anything starts.
 */

import { z } from 'zod'
import { workloadSchema } from '../workload/workload-spec.js'
import { faultSchema } from './fault.js'
import { durationField, strictFields, textField, wholeField, wordField } from './fields.js'

/** Processes that one machine could start for an experiment, whatever its memory. */
export const NODES_MAX = 500

const clusterSchema = strictFields({
  /** A configuration file as `varve up --config` takes it, with the addresses that it names. */
  config: z.optional(textField('the path of a configuration file')),
  /** A cluster that runs already. */
  endpoints: z.optional(z.array(textField('host:port')).min(1)),
  shards: z.optional(wholeField(1, 1_000)),
  replicas: z.optional(wholeField(1, NODES_MAX)),
  nodes: z.optional(wholeField(1, NODES_MAX)),
  topology: z.optional(wordField(['chain', 'star'])),
  minInSync: z.optional(wholeField(1, NODES_MAX)),
  /** Start processes again that die, as `varve up` does. */
  restart: z.boolean({ error: 'expected true or false' }).default(false),
})

const recordSchema = strictFields({
  /** How often every node says how it is. */
  sampleEvery: durationField().default(100),
})

/** One experiment with one way to run it; variants are merged over it before it is read. */
export const descriptionSchema = strictFields({
  name: textField('a name').regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
    error: 'expected 1 to 64 of the characters A-Z a-z 0-9 _ . - beginning with a letter or digit',
  }),
  /** One line: the title of the report. */
  title: z.string({ error: 'expected a text' }).default(''),
  /** What is looked at and why, for the report. */
  about: z.string({ error: 'expected a text' }).default(''),
  /** Decides every operation of every client. */
  seed: wholeField(0, 4_294_967_295).default(1),
  repetitions: wholeField(1, 100).default(1),
  cluster: clusterSchema.prefault({}),
  /** Of writes, and of reads that `reads` does not name; mixed: every other client is strong, the others are weak. */
  consistency: wordField(['strong', 'weak', 'mixed']).default('strong'),
  reads: z.optional(wordField(['strong', 'weak', 'session'])),
  workload: workloadSchema.prefault({}),
  faults: z.array(faultSchema, { error: 'expected a list of faults' }).max(1_000).default([]),
  record: recordSchema.prefault({}),
  /** How long the replicas may take to be equal again after the load. */
  settle: durationField().default(60_000),
})

/** A description as it was read. Times are milliseconds. */
export type Description = z.output<typeof descriptionSchema>
