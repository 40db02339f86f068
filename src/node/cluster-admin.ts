/** What an operator may ask of the coordinator; `ClusterService` passes it on. Only the coordinator's host has one. */
import type {
  JoinRequest,
  JoinResponse,
  LeaveRequest,
  LeaveResponse,
  NodeList,
  RecoverRequest,
  RecoverResponse,
} from '../generated/varve/v1/cluster.js'

/**
 * All throw `VarveError`: INVALID_ARGUMENT for a node or shard that does not exist (naming those that do),
 * FAILED_PRECONDITION where a rule forbids it, saying which. What they begin is done when the shard map says so.
 */
export interface ClusterAdmin {
  /** Sorted by address. */
  listNodes(): NodeList
  leave(request: LeaveRequest): LeaveResponse
  join(request: JoinRequest): JoinResponse
  /** Resolves when the forced configuration is stored. */
  recover(request: RecoverRequest): Promise<RecoverResponse>
}
