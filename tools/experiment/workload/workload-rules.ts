/** Rules of a workload that span several fields. */

import { OPERATIONS_MAX, recordedPerOperation } from './workload.js'
import { clientsOf, connectionsOf, operationsOf } from './workload-defaults.js'
import type { WorkloadFields } from './workload-spec.js'

/** A field and what is wrong with it. */
export interface BrokenRule {
  readonly field: string
  /** What is allowed: what was given is put before it. */
  readonly message: string
}

/** The rules that are broken, none of which a field by itself can say. */
export function checkWorkload(given: WorkloadFields): BrokenRule[] {
  return [...checkRamp(given), ...checkEnd(given), ...checkConnections(given), ...checkKind(given)]
}

function checkRamp(given: WorkloadFields): BrokenRule[] {
  if (given.ramp === undefined) return []
  return (['clients', 'duration', 'ratePerSecond'] as const)
    .filter(field => given[field] !== undefined)
    .map(field => ({ field, message: 'allowed is either this or a ramp' }))
}

/** A load must come to an end, with no more operations than a run may record. */
function checkEnd(given: WorkloadFields): BrokenRule[] {
  const { kind, operations, duration, ramp } = given
  if (operations !== undefined || kind === 'run-file') return []
  if (duration === undefined && ramp === undefined) {
    return [{ field: 'operations', message: 'expected is operations, duration or ramp: when does it end?' }]
  }
  const made = operationsOf(given)
  if (made <= OPERATIONS_MAX) return []
  const message = `which makes ${made} operations in the duration, allowed are at most ${OPERATIONS_MAX}`
  return [{ field: 'ratePerSecond', message }]
}

function checkConnections(given: WorkloadFields): BrokenRule[] {
  if (connectionsOf(given) <= clientsOf(given)) return []
  return [{ field: 'connections', message: `allowed are at most as many as clients, ${clientsOf(given)}` }]
}

function checkKind(given: WorkloadFields): BrokenRule[] {
  if (given.kind === 'hot-cold' && given.hotKeys >= given.keys) {
    const message = `which makes ${given.hotKeys} hot keys of ${given.keys}, allowed are fewer hot keys than keys`
    return [{ field: 'hotKeys', message }]
  }
  if (given.kind !== 'ycsb') return []
  const recorded = given.records + recordedPerOperation(given.workload) * operationsOf(given)
  if (recorded <= OPERATIONS_MAX) return []
  const message = `which makes ${recorded} recorded with the preload, allowed are at most ${OPERATIONS_MAX}`
  return [{ field: given.operations === undefined ? 'records' : 'operations', message }]
}
