/** What operators ask of the coordinator's process: names resolved, rules asked of the state machine, refusals as errors. */
import { VarveError } from '../client/errors.js'
import type {
  JoinRequest,
  JoinResponse,
  LeaveRequest,
  LeaveResponse,
  NodeList,
  RecoverRequest,
  RecoverResponse,
} from '../generated/varve/v1/cluster.js'
import type { Configuration } from '../generated/varve/v1/replication.js'
import type { CoordinatorDriver } from '../replication/coordinator-driver.js'
import type { ListedShard } from '../replication/membership.js'
import type { ClusterAdmin } from './cluster-admin.js'

export interface CoordinatorAdminOptions {
  readonly driver: CoordinatorDriver
  readonly shards: readonly ListedShard[]
  readonly clusterId: string
  /** The cluster of a node at this address that was turned away, where one was. */
  readonly foreignCluster: (address: string) => string | undefined
}

export class CoordinatorAdmin implements ClusterAdmin {
  readonly #options: CoordinatorAdminOptions

  constructor(options: CoordinatorAdminOptions) {
    this.#options = options
  }

  listNodes(): NodeList {
    return this.#options.driver.coordinator.nodeList()
  }

  leave({ address, shard, force }: LeaveRequest): LeaveResponse {
    const { driver, shards } = this.#options
    const info = this.#node(address)
    const held = info.replicas.filter(({ role }) => role !== 'none').map(each => each.shard)
    const wanted = shard === '' ? shards.filter(({ name }) => held.includes(name)) : [this.#shard(shard)]
    if (shard !== '' && !held.includes(shard)) {
      const where = held.length === 0 ? 'no shard' : held.join(', ')
      throw new VarveError('INVALID_ARGUMENT', `${address} is not in ${shard}: it is in ${where}`)
    }
    // All or nothing: the rules are asked for every shard before any of them changes.
    for (const { ordinal } of wanted) {
      const fault = driver.coordinator.leaveFault(ordinal, address, force)
      if (fault !== undefined) throw new VarveError('FAILED_PRECONDITION', fault)
    }
    for (const { ordinal } of shard === '' ? shards : wanted) driver.coordinator.leave(ordinal, address)
    driver.flush()
    return { shards: wanted.map(({ name }) => name) }
  }

  join({ address, shard }: JoinRequest): JoinResponse {
    const { driver, shards } = this.#options
    const { left } = this.#node(address)
    if (shard === '') {
      for (const { ordinal } of shards) driver.coordinator.join(ordinal, address, false)
      driver.flush()
      return { shards: left }
    }
    const { ordinal, name } = this.#shard(shard)
    const fault = driver.coordinator.joinFault(ordinal, address)
    if (fault !== undefined) throw new VarveError('FAILED_PRECONDITION', fault)
    driver.coordinator.join(ordinal, address, true)
    driver.flush()
    return { shards: [name] }
  }

  async recover({ shard, acceptDataLoss, address }: RecoverRequest): Promise<RecoverResponse> {
    const { driver } = this.#options
    const { ordinal, name } = this.#shard(shard)
    if (address !== '') this.#node(address)
    if (!acceptDataLoss) {
      const text = `recovering ${name} gives up what only the lost members held: say so with --accept-data-loss`
      throw new VarveError('INVALID_ARGUMENT', text)
    }
    let configuration: Configuration
    try {
      const recovered = driver.coordinator.recover(ordinal, address)
      driver.flush()
      configuration = await recovered
    } catch (error) {
      throw new VarveError('FAILED_PRECONDITION', (error as Error).message)
    }
    const { head, epoch, recovery } = configuration
    return { head, epoch, cutIndex: recovery?.cutIndex ?? 0, lostToIndex: recovery?.lostToIndex ?? 0 }
  }

  #shard(name: string): ListedShard {
    const { shards } = this.#options
    const shard = shards.find(each => each.name === name)
    if (shard !== undefined) return shard
    const names = shards.map(each => each.name).join(', ')
    throw new VarveError('UNKNOWN_SHARD', `there is no shard "${name}", the cluster has: ${names}`)
  }

  #node(address: string) {
    const { nodes } = this.listNodes()
    const node = nodes.find(each => each.address === address)
    if (node !== undefined) return node
    const foreign = this.#options.foreignCluster(address)
    if (foreign !== undefined) {
      const text = `${address} is a node of cluster ${foreign}, this is cluster ${this.#options.clusterId}`
      throw new VarveError('FAILED_PRECONDITION', `${text}: start it with an empty folder`)
    }
    const known = nodes.map(each => each.address).join(', ')
    throw new VarveError('INVALID_ARGUMENT', `there is no node ${address}, the coordinator knows: ${known}`)
  }
}
