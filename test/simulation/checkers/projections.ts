/** At rest all replicas hold one log, and what they show is what replaying that log gives. */
import { Consistency } from '../../../src/generated/varve/v1/kv.js'
import { Operation } from '../../../src/log/entry.js'
import type { Cluster } from '../world/cluster.js'
import type { NodeProcess } from '../world/node-process.js'
import { type Checker, check, type Rest } from './checker.js'
import type { CommittedLog, CommittedShard } from './committed-log.js'

export class Projections implements Checker {
  readonly #committed: CommittedLog

  constructor(committed: CommittedLog) {
    this.#committed = committed
  }

  async atRest({ cluster }: Rest): Promise<void> {
    for (const { ordinal, name } of cluster.shape.shards) {
      const committed = this.#committed.shards.get(ordinal)!
      const shown = JSON.stringify(replayed(committed))
      for (const { address } of membersOf(cluster, ordinal)) {
        const node = cluster.nodes.get(address)!
        const { log } = { log: node.disk.log(ordinal) }
        const where = `${address}, shard ${ordinal}`
        check(
          log.lastIndex === committed.lastIndex,
          `${where}: ends at ${log.lastIndex}, not at the last commit`,
        )
        const last = committed.records.at(-1)
        check(last === undefined || log.lastHash.equals(last.hash), `${where}: ends at another record`)
        const rows = JSON.stringify(await scanned(node, ordinal, name))
        check(rows === shown, `${where}: shows ${rows}, its log says ${shown}`)
      }
    }
  }
}

/** Whoever the newest stored configuration names. */
export function membersOf(cluster: Cluster, ordinal: number): readonly { readonly address: string }[] {
  return cluster.membership.read(ordinal)?.membership.current?.members ?? []
}

type Row = [key: string, value: string, index: number]

function replayed({ entries }: CommittedShard): Row[] {
  const rows = new Map<string, Row>()
  for (const entry of entries) {
    if (entry === undefined) continue
    const key = entry.key.toString()
    if (entry.operation === Operation.DELETE) rows.delete(key)
    if (entry.operation === Operation.SET) rows.set(key, [key, entry.value.toString(), entry.index])
  }
  return [...rows.values()].sort(([one], [other]) => (one < other ? -1 : 1))
}

async function scanned(node: NodeProcess, ordinal: number, shard: string): Promise<Row[]> {
  const request = {
    context: {
      consistency: Consistency.WEAK,
      token: undefined,
      actor: '',
      requestId: undefined,
      hops: 0,
      localOnly: true,
    },
    shard,
    start: Buffer.alloc(0),
    end: Buffer.alloc(0),
    limit: 0,
    reverse: false,
    keysOnly: false,
    at: undefined,
  }
  const { items } = await node.node!.shard(ordinal)!.scan(request, new AbortController().signal)
  return items.map(({ key, value, position }) => [key.toString(), value.toString(), position?.index ?? 0])
}
