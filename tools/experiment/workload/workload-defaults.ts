/** Defaults of a workload that depend on its other fields. */

import { OPEN_CLIENTS_DEFAULT, OPERATIONS_DEFAULT, OPERATIONS_MAX } from './workload.js'
import type { WorkloadFields } from './workload-spec.js'

const CONNECTIONS_DEFAULT = 4

/** Clients at once; of a ramp the most. */
export function clientsOf({ clients, ramp, ratePerSecond }: WorkloadFields): number {
  if (ramp !== undefined) return Math.max(...ramp.map(step => step.clients))
  return clients ?? (ratePerSecond === undefined ? 1 : OPEN_CLIENTS_DEFAULT)
}

export function connectionsOf(given: WorkloadFields): number {
  return given.connections ?? Math.min(clientsOf(given), CONNECTIONS_DEFAULT)
}

/** At most so many; an open loop of a known length has what its rate makes of that. */
export function operationsOf({ kind, operations, ratePerSecond, duration }: WorkloadFields): number {
  if (operations !== undefined) return operations
  if (kind === 'run-file') return OPERATIONS_MAX
  if (ratePerSecond === undefined || duration === undefined) return OPERATIONS_DEFAULT
  return Math.ceil((ratePerSecond * duration) / 1_000)
}
