/**
 * The description of an experiment: which cluster, which load, what happens to it and what is recorded. What is written is
 * read strictly and whole: an unknown field or a value that makes no sense is refused before anything starts.
 */

import { z } from 'zod'
import { strictFields } from '../../../src/node/schema-issue.js'
import { duration, text, wholeNumber } from '../workload/fields.js'
import { workloadSchema } from '../workload/workload-spec.js'
import { faultSchema } from './fault.js'
import { DURATION_MS_MAX, flag, word } from './fields.js'

/** Processes that one machine could start for an experiment, whatever its memory. */
export const NODES_MAX = 500

/** What a node takes as an interval of its status (`WatchNodeStatus`). */
const SAMPLE_MS_MIN = 10
const SAMPLE_MS_MAX = 60_000
const FAULTS_MAX = 1_000
const FAULTS_ALLOWED = `allowed is a list of at most ${FAULTS_MAX} faults, such as {"at": "5s", "kill": "HEAD"}`
const ENDPOINTS_ALLOWED = 'allowed is a list of at least one host:port'
const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
const NAME_ALLOWED =
  'allowed are 1 to 64 of the characters A-Z a-z 0-9 _ . - that begin with a letter or digit'

const clusterSchema = strictFields(
  {
    /** A configuration file as `varve up --config` takes it, with the addresses that it names. */
    config: z.optional(text(4_096, 1)),
    /** A cluster that runs already. */
    endpoints: z.optional(
      z.array(text(300, 1), { error: ENDPOINTS_ALLOWED }).min(1, { error: ENDPOINTS_ALLOWED }),
    ),
    shards: z.optional(wholeNumber(1, 1_000)),
    replicas: z.optional(wholeNumber(1, NODES_MAX)),
    nodes: z.optional(wholeNumber(1, NODES_MAX)),
    topology: z.optional(word(['chain', 'star'])),
    minInSync: z.optional(wholeNumber(1, NODES_MAX)),
    /** Start processes again that die, as `varve up` does. */
    restart: flag().default(false),
  },
  'a cluster is an object',
)

const recordSchema = strictFields(
  {
    /** How often every node says how it is. */
    sampleEvery: duration(SAMPLE_MS_MAX)
      .refine(ms => ms >= SAMPLE_MS_MIN, { error: `allowed is at least ${SAMPLE_MS_MIN} ms` })
      .default(100),
  },
  'what is recorded is an object',
)

/** One experiment with one way to run it; variants are merged over it before it is read. */
export const descriptionSchema = strictFields(
  {
    name: z.string({ error: NAME_ALLOWED }).regex(NAME_PATTERN, { error: NAME_ALLOWED }),
    /** One line: the title of the report. */
    title: text(4_096).default(''),
    /** What is looked at and why, for the report. */
    about: text(4_096).default(''),
    /** Decides every operation of every client. */
    seed: wholeNumber(0, 4_294_967_295).default(1),
    repetitions: wholeNumber(1, 100).default(1),
    cluster: clusterSchema.prefault({}),
    /** Of writes, and of reads that `reads` does not name; mixed: every other client is strong, the others are weak. */
    consistency: word(['strong', 'weak', 'mixed']).default('strong'),
    reads: z.optional(word(['strong', 'weak', 'session'])),
    workload: workloadSchema,
    faults: z
      .array(faultSchema, { error: FAULTS_ALLOWED })
      .max(FAULTS_MAX, { error: FAULTS_ALLOWED })
      .default([]),
    record: recordSchema.prefault({}),
    /** How long the replicas may take to be equal again after the load. */
    settle: duration(DURATION_MS_MAX).default(60_000),
  },
  'an experiment is an object',
)

/** A description as it was read. Times are milliseconds. */
export type Description = z.output<typeof descriptionSchema>
