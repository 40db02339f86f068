/** The `workload` section of an experiment's description: its schema, defaults and rules. */

import { z } from 'zod'
import { schemaProblem, strictFields } from '../../../src/node/schema-issue.js'
import { badUsage } from '../../exit-codes.js'
import { duration, fraction, text, wholeNumber } from './fields.js'
import {
  CLIENTS_MAX,
  type LoadShape,
  type MixedWorkload,
  OPERATIONS_MAX,
  VALUE_SIZE_BYTES_MAX,
  VALUE_SIZE_BYTES_MIN,
  type Workload,
} from './workload.js'
import { clientsOf, connectionsOf, operationsOf } from './workload-defaults.js'
import { checkWorkload } from './workload-rules.js'

const KEYS_MAX = 1_000_000
const STEPS_MAX = 100
const CONNECTIONS_MAX = 256
const RATE_MAX = 100_000
const DURATION_MS_MAX = 24 * 3_600_000
const TIMEOUT_MS_DEFAULT = 10_000
const TIMEOUT_MS_MAX = 600_000
const PREFIX_CHARACTERS_MAX = 64

const RATE_ALLOWED = `allowed is a number above 0, at most ${RATE_MAX}`
const RAMP_ALLOWED = `allowed is a list of 1 to ${STEPS_MAX} steps, such as {"clients": 8, "for": "10s"}`
const KIND_ALLOWED = 'allowed are "run-file", "normal", "hot-cold", "write-heavy" and "ycsb"'
const WORKLOAD_ALLOWED = 'a workload is an object'
const ZIPFIAN_ALLOWED = 'allowed is a number above 0 and below 1'

const rampStep = strictFields(
  { clients: wholeNumber(1, CLIENTS_MAX), for: duration(DURATION_MS_MAX) },
  'a step is an object of clients and for',
)

const loadFields = {
  /** Clients at once; open loop: operations under way at most. Default 1; open loop 256. */
  clients: z.optional(wholeNumber(1, CLIENTS_MAX)),
  /** Operations a second, fractions allowed: makes it an open loop. */
  ratePerSecond: z.optional(
    z.number({ error: RATE_ALLOWED }).gt(0, { error: RATE_ALLOWED }).max(RATE_MAX, { error: RATE_ALLOWED }),
  ),
  /** Default: 200,000; open loop with a duration: what that makes; a run file: all of it. */
  operations: z.optional(wholeNumber(1, OPERATIONS_MAX)),
  /** Seconds, or a text such as `500ms`, `10s` or `2m`. */
  duration: z.optional(duration(DURATION_MS_MAX)),
  /** Instead of clients and duration. */
  ramp: z.optional(
    z
      .array(rampStep, { error: RAMP_ALLOWED })
      .min(1, { error: RAMP_ALLOWED })
      .max(STEPS_MAX, { error: RAMP_ALLOWED }),
  ),
  /** Default: one for each client, at most 4. */
  connections: z.optional(wholeNumber(1, CONNECTIONS_MAX)),
  /** Of one operation, as `duration`. Default 10 s. */
  timeout: duration(TIMEOUT_MS_MAX).default(TIMEOUT_MS_DEFAULT),
  /** Before every key. Default: none. */
  keyPrefix: text(PREFIX_CHARACTERS_MAX).default(''),
}

/** Bytes. Default 100. */
const valueSize = wholeNumber(VALUE_SIZE_BYTES_MIN, VALUE_SIZE_BYTES_MAX).default(100)

function mixedFields(writeShare: number) {
  return {
    keys: wholeNumber(1, KEYS_MAX).default(400),
    valueSize,
    /** Of all operations; the others are reads. */
    writeShare: fraction().default(writeShare),
    /** Of the writes. */
    deleteShare: fraction().default(0),
    ...loadFields,
  }
}

const runFileFields = strictFields(
  { kind: z.literal('run-file'), file: text(4_096, 1), ...loadFields },
  WORKLOAD_ALLOWED,
)
const normalFields = strictFields({ kind: z.literal('normal'), ...mixedFields(0.5) }, WORKLOAD_ALLOWED)
const writeHeavyFields = strictFields(
  { kind: z.literal('write-heavy'), ...mixedFields(0.9) },
  WORKLOAD_ALLOWED,
)
const hotColdFields = strictFields(
  {
    kind: z.literal('hot-cold'),
    /** The first so many keys ... */
    hotKeys: wholeNumber(1, KEYS_MAX).default(10),
    /** ... take this share of the operations. */
    hotShare: fraction().default(0.9),
    ...mixedFields(0.5),
  },
  WORKLOAD_ALLOWED,
)
const ycsbFields = strictFields(
  {
    kind: z.literal('ycsb'),
    workload: z.enum(['A', 'B', 'C', 'D', 'E', 'F'], { error: 'allowed are "A" to "F"' }),
    /** Written before the load begins. */
    records: wholeNumber(1, KEYS_MAX).default(1_000),
    valueSize,
    zipfian: z
      .number({ error: ZIPFIAN_ALLOWED })
      .gt(0, { error: ZIPFIAN_ALLOWED })
      .lt(1, { error: ZIPFIAN_ALLOWED })
      .default(0.99),
    ...loadFields,
  },
  WORKLOAD_ALLOWED,
)

const fields = z.discriminatedUnion(
  'kind',
  [runFileFields, normalFields, writeHeavyFields, hotColdFields, ycsbFields],
  { error: ({ code }) => (code === 'invalid_union' ? KIND_ALLOWED : WORKLOAD_ALLOWED) },
)

/** A workload as it is described, checked field by field. */
export type WorkloadFields = z.output<typeof fields>

/** Reads a workload: what is described becomes what the load is told. For schemas that have one as a part. */
export const workloadSchema = fields
  .superRefine((given, context) => {
    for (const { field, message } of checkWorkload(given)) {
      context.addIssue({ code: 'custom', path: [field], message })
    }
  })
  .transform(workloadOf)

/** Reads a workload. Throws a bad-usage error of one line that begins with `where`, as in `where: keys: 0 given, ...`. */
export function parseWorkload(given: unknown, where: string): Workload {
  const parsed = workloadSchema.safeParse(given)
  if (parsed.success) return parsed.data
  const { field, message } = schemaProblem(given, parsed.error.issues[0]!)
  throw badUsage(`${where}: ${field === '' ? '' : `${field}: `}${message}`)
}

function workloadOf(given: WorkloadFields): Workload {
  const shape = shapeOf(given)
  if (given.kind === 'run-file') return { kind: given.kind, file: given.file, ...shape }
  if (given.kind === 'ycsb') {
    const { kind, workload, records, zipfian, valueSize: valueSizeBytes } = given
    return { kind, workload, records, zipfian, valueSizeBytes, ...shape }
  }
  const { kind, keys, writeShare, deleteShare, valueSize: valueSizeBytes } = given
  const mixed: MixedWorkload = { kind, keys, writeShare, deleteShare, valueSizeBytes, ...shape }
  if (given.kind !== 'hot-cold') return mixed
  return { ...mixed, hot: { keys: given.hotKeys, share: given.hotShare } }
}

function shapeOf(given: WorkloadFields): LoadShape {
  const { ratePerSecond, duration: durationMs, timeout: timeoutMs, keyPrefix } = given
  const ramp = given.ramp?.map(step => ({ clients: step.clients, forMs: step.for }))
  return {
    clients: clientsOf(given),
    operations: operationsOf(given),
    connections: connectionsOf(given),
    timeoutMs,
    keyPrefix,
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(ramp === undefined ? {} : { ramp }),
  }
}
