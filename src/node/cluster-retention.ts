/**
 * How long the past is kept (src/projection/retention.ts), as operators set it: the same rules in every shard's log, so
 * that each shard goes by what it holds itself. What the first shard says is what there is.
 */
import { VarveError } from '../client/errors.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import { Consistency } from '../generated/varve/v1/kv.js'
import type { Retention, SetRetentionRequest } from '../generated/varve/v1/time_travel.js'
import { systemKey } from '../log/system-key.js'
import { decodeRetention, encodeRetention, retentionFault } from '../projection/retention.js'
import type { CallBudget } from './call-budget.js'
import { knownMap } from './forwarding.js'
import { checkActor } from './kv-requests.js'
import type { NodeHost } from './node-host.js'
import { emptyContext } from './pass-on.js'
import type { UnaryReads } from './unary-reads.js'
import type { UnaryWrites } from './unary-writes.js'

export class ClusterRetention {
  readonly #host: NodeHost
  readonly #reads: UnaryReads
  readonly #writes: UnaryWrites

  constructor(host: NodeHost, reads: UnaryReads, writes: UnaryWrites) {
    this.#host = host
    this.#reads = reads
    this.#writes = writes
  }

  /** Rejects with `VarveError`. */
  async get(budget: CallBudget): Promise<Retention> {
    const map = knownMap(this.#host)
    const [first] = ordinalsOf(map)
    const key = systemKey('retention', '', first!, map.shards.length)
    const context = { ...emptyContext(), consistency: Consistency.STRONG }
    const { found, value } = await this.#reads.get({ context, key, at: undefined }, budget)
    if (!found) return { rules: [] }
    const rules = decodeRetention(value)
    if (rules !== undefined) return { rules }
    throw new VarveError(
      'DATA_LOSS',
      'the retention rules cannot be read, nothing is dropped: set them again',
    )
  }

  /** Replaces all rules; cut short, the same again finishes it. Rejects with `VarveError` INVALID_ARGUMENT and as `get`. */
  async set({ retention, actor }: SetRetentionRequest, budget: CallBudget): Promise<Retention> {
    const rules = retention?.rules ?? []
    const fault = retentionFault(rules)
    if (fault !== undefined) throw new VarveError('INVALID_ARGUMENT', fault)
    checkActor(actor)
    const map = knownMap(this.#host)
    const value = encodeRetention(rules)
    const write = async (ordinal: number) => {
      const key = systemKey('retention', '', ordinal, map.shards.length)
      const context = { ...emptyContext(), consistency: Consistency.STRONG, actor }
      const request = { context, key, value, condition: undefined, returnPrevious: false }
      await this.#writes.set(request, budget, true)
    }
    const [first, ...others] = ordinalsOf(map)
    await write(first!)
    await Promise.all(others.map(write))
    return await this.get(budget)
  }
}

function ordinalsOf(map: ShardMap): number[] {
  return map.shards.map(({ ordinal }) => ordinal).sort((a, b) => a - b)
}
