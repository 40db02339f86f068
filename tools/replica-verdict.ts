/** Whether the replicas of a shard hold the same: what they said of themselves, and what follows from it. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Inspector } from '../src/client/inspector.js'

/** What one replica said, or why it said nothing. */
export type ReplicaAnswer =
  | {
      readonly address: string
      readonly reached: true
      readonly epoch: number
      readonly commitIndex: number
      readonly lastIndex: number
      /** Digest of the committed state, in hexadecimal. */
      readonly state: string
      readonly liveKeys: number
      /** Hash of the record that ends the log, in hexadecimal; '' where it is not known for `lastIndex`. */
      readonly lastHash: string
    }
  | { readonly address: string; readonly reached: false; readonly problem: string }

/**
 * `same`: all replicas hold the same log and state. `differ`: two replicas hold different things at the same
 * index. `behind`: they did not come to the same index in time. `unreachable`: one did not answer.
 */
export type Verdict = 'same' | 'differ' | 'behind' | 'unreachable'

export interface ShardVerdict {
  readonly shard: string
  readonly verdict: Verdict
  readonly replicas: readonly ReplicaAnswer[]
}

const POLL_FIRST_MS = 25
const POLL_MAX_MS = 500

/** Asks the replicas of a shard until the answer is final, at most for `timeoutMs`. */
export async function compareReplicas(
  inspector: Inspector,
  shard: string,
  addresses: readonly string[],
  timeoutMs: number,
): Promise<ShardVerdict> {
  const deadline = performance.now() + timeoutMs
  for (let pollMs = POLL_FIRST_MS; ; pollMs = Math.min(POLL_MAX_MS, pollMs * 2)) {
    const replicas = await Promise.all(addresses.map(address => askReplica(inspector, shard, address)))
    const verdict = verdictOn(replicas)
    const isFinal = verdict === 'same' || verdict === 'differ'
    if (isFinal || performance.now() >= deadline) return { shard, verdict, replicas }
    await delay(pollMs)
  }
}

/** What follows from one round of answers. */
export function verdictOn(replicas: readonly ReplicaAnswer[]): Verdict {
  const reached = replicas.filter(each => each.reached)
  // Equal indexes with unequal contents stay unequal: no need to wait for anybody.
  for (const a of reached) {
    for (const b of reached) {
      if (a.commitIndex === b.commitIndex && a.state !== b.state) return 'differ'
      const logsKnown = a.lastHash !== '' && b.lastHash !== ''
      const isWhole = a.lastIndex === a.commitIndex && b.lastIndex === b.commitIndex
      if (logsKnown && isWhole && a.lastIndex === b.lastIndex && a.lastHash !== b.lastHash) return 'differ'
    }
  }
  if (reached.length < replicas.length) return 'unreachable'
  const [first] = reached
  const isCaughtUp = reached.every(
    each => each.commitIndex === first!.commitIndex && each.lastIndex === each.commitIndex,
  )
  return isCaughtUp ? 'same' : 'behind'
}

async function askReplica(inspector: Inspector, shard: string, address: string): Promise<ReplicaAnswer> {
  try {
    const [digest, status] = await Promise.all([
      inspector.digest(address, shard),
      inspector.nodeStatus(address),
    ])
    const replica = status.replicas.find(each => each.shard === shard)
    const { epoch, commitIndex, lastIndex, liveKeys } = digest
    const lastHash = replica?.lastIndex === lastIndex ? replica.lastHash.toString('hex') : ''
    const state = digest.state.toString('hex')
    return { address, reached: true, epoch, commitIndex, lastIndex, state, liveKeys, lastHash }
  } catch (error) {
    return { address, reached: false, problem: (error as Error).message }
  }
}
