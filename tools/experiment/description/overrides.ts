/** What the command line changes in a description before it is read. */

import { isObject } from '../../history/json-line.js'

export interface Overrides {
  readonly seed?: number
  readonly repetitions?: number
  /** A file of operations instead of whatever load is described. */
  readonly runFile?: string
  /** Use the cluster at the endpoints instead of starting one. */
  readonly running?: boolean
  readonly endpoints: readonly string[]
}

/** The description with the options written into it, in its variants as well. */
export function withOptions(given: unknown, options: Overrides): unknown {
  if (!isObject(given)) return given
  const { repetitions } = options
  const changed = changedPart(given, options)
  const { variants } = changed
  return {
    ...changed,
    ...(repetitions === undefined ? {} : { repetitions }),
    ...(Array.isArray(variants)
      ? { variants: variants.map(each => (isObject(each) ? changedPart(each, options, true) : each)) }
      : {}),
  }
}

function changedPart(
  part: Record<string, unknown>,
  { seed, runFile, running, endpoints }: Overrides,
  isVariant = false,
): Record<string, unknown> {
  const changed: Record<string, unknown> = { ...part, ...(seed === undefined ? {} : { seed }) }
  if (runFile !== undefined && isObject(part.workload)) changed.workload = asRunFile(part.workload, runFile)
  else if (runFile !== undefined && !isVariant) changed.workload = { kind: 'run-file', file: runFile }
  if (running && (part.cluster !== undefined || !isVariant)) changed.cluster = { endpoints }
  return changed
}

/** How hard the load presses stays; what it does is the file's. */
function asRunFile(workload: Record<string, unknown>, file: string): Record<string, unknown> {
  const { clients, ratePerSecond, connections, timeout, keyPrefix } = workload
  const shape = { clients, ratePerSecond, connections, timeout, keyPrefix }
  const said = Object.entries(shape).filter(([, value]) => value !== undefined)
  return { kind: 'run-file', file, ...Object.fromEntries(said) }
}
