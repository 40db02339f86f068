/** The logs of a running cluster, for replaying them: each shard's from its head. */
import { VarveError } from './errors.js'
import { Inspector } from './inspector.js'
import { type At, askedMoment, type ResolvedMoment, resolvedOf } from './moment.js'
import type { ReplayLog, ReplayLogs } from './replay.js'
import { RemoteReplaySource } from './replay-source.js'

/** Rejects with VarveError UNAVAILABLE where no endpoint answers, or a shard has no head. */
export async function openClusterLogs(endpoints: readonly string[], timeoutMs?: number): Promise<ReplayLogs> {
  const inspector = new Inspector(timeoutMs === undefined ? {} : { timeoutMs })
  try {
    const { endpoint, map } = await firstMap(inspector, endpoints)
    const shards = map.shards.map(({ name, ordinal, head }): ReplayLog => {
      if (head === '') throw new VarveError('UNAVAILABLE', `${name} has no head now`)
      const source = new RemoteReplaySource(inspector, { name, shard: ordinal, address: head })
      // What a moment resolves to is committed.
      return { name, source, committedIndex: Number.POSITIVE_INFINITY }
    })
    return {
      shards,
      resolve: (at, names) => resolveAt(inspector, endpoint, at, names),
      close: async () => inspector.close(),
    }
  } catch (error) {
    inspector.close()
    throw error
  }
}

async function firstMap(inspector: Inspector, endpoints: readonly string[]) {
  let problem: unknown
  for (const endpoint of endpoints) {
    try {
      return { endpoint, map: await inspector.shardMap(endpoint) }
    } catch (error) {
      problem = error
    }
  }
  throw problem ?? new VarveError('INVALID_ARGUMENT', 'no endpoint was given')
}

async function resolveAt(
  inspector: Inspector,
  endpoint: string,
  at: At | undefined,
  shards: readonly string[],
): Promise<ResolvedMoment> {
  const asked = askedMoment(at, Date.now(), shards)
  if (asked.kind === 'resolved') return asked.resolved
  if (asked.kind === 'start') return beforeAll(shards)
  const request = { moment: asked.moment, shards: [...shards], hops: 0, stamp: undefined }
  return resolvedOf(await inspector.resolve(endpoint, request))
}

/** Before the first entry of all shards. */
export function beforeAll(shards: readonly string[]): ResolvedMoment {
  const cut = { index: 0, epoch: 0, lamport: 0, wallMs: 0 }
  return { moment: { lamport: 0 }, cuts: Object.fromEntries(shards.map(name => [name, cut])) }
}
