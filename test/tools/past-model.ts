/** A plain model of a cluster that keeps every version, and a cluster that was given the same writes. */
import { connect, type WriteResult } from '../../src/index.js'
import type { LocalCluster } from '../../src/node/local-cluster.js'
import type { Random } from '../../tools/random.js'

/** One SET or DELETE as it was acknowledged. */
export interface Version {
  readonly key: string
  /** Undefined: a DELETE. */
  readonly value: string | undefined
  readonly actor: string
  readonly shard: string
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  /** Equal for all of an atomic batch. */
  readonly unit: number
}

/** A moment of the model: what it is called, and which entries are at or before it. */
export interface ModelMoment {
  readonly text: string
  has(version: Version): boolean
}

export class PastModel {
  readonly versions: Version[] = []
  #units = 0

  add(written: readonly (WriteResult & { key: string; value: string | undefined })[], actor: string): void {
    this.#units += 1
    for (const { key, value, shard, index, lamport, wallMs } of written) {
      this.versions.push({ key, value, actor, shard, index, lamport, wallMs, unit: this.#units })
    }
  }

  /** Everything at or before a Lamport time; a batch whole or not at all. */
  atLamport(lamport: number): ModelMoment {
    return this.#moment(`lamport:${lamport}`, version => version.lamport <= lamport)
  }

  atWall(wallMs: number): ModelMoment {
    return this.#moment(String(wallMs), version => version.wallMs <= wallMs)
  }

  /** Of an entry that ends a unit. */
  atEntry({ shard, index, lamport }: Version): ModelMoment {
    return { ...this.atLamport(lamport), text: `index:${shard}/${index}` }
  }

  /** All versions of a key at a moment, newest first. */
  history(key: string, moment: ModelMoment): Version[] {
    return this.versions
      .filter(each => each.key === key && moment.has(each))
      .sort((a, b) => b.index - a.index)
  }

  /** The version of each live key, in the byte order of the keys. */
  state(moment: ModelMoment, prefix = ''): Map<string, Version> {
    const keys = [...new Set(this.versions.map(({ key }) => key))]
      .filter(key => key.startsWith(prefix))
      .sort()
    const live = keys.flatMap(key => {
      const [newest] = this.history(key, moment)
      return newest?.value === undefined ? [] : [[key, newest] as const]
    })
    return new Map(live)
  }

  #moment(text: string, isIn: (version: Version) => boolean): ModelMoment {
    const left = new Set(this.versions.filter(each => !isIn(each)).map(({ unit }) => unit))
    return { text, has: version => isIn(version) && !left.has(version.unit) }
  }
}

const ACTORS = ['ada', 'lin', '']

/** Writes at random, to the cluster and the model alike. */
export async function writeAtRandom(
  cluster: LocalCluster,
  model: PastModel,
  random: Random,
  writes: number,
): Promise<void> {
  const clients = await Promise.all(ACTORS.map(actor => connect(cluster.endpoints, { actor })))
  try {
    for (let at = 0; at < writes; at++) {
      const client = clients[random.below(clients.length)]!
      const actor = ACTORS[clients.indexOf(client)]!
      const value = random.below(4) === 0 ? 'same' : `value ${at}`
      // Causes come before effects across shards, as with clients that pass tokens on.
      for (const other of clients) client.observe(other.token())
      const key = `${random.below(2) === 0 ? 'user' : 'cart'}/${random.below(12)}`
      const kind = random.below(10)
      if (kind < 6) model.add([{ ...(await client.set(key, value)), key, value }], actor)
      else if (kind < 8) model.add([{ ...(await client.delete(key)), key, value: undefined }], actor)
      else {
        const group = random.below(3)
        const keys = [1, 2, 3].map(each => `{group ${group}}/${each}`)
        const { results } = await client.batch(keys.map(each => ({ type: 'set', key: each, value })))
        model.add(
          keys.map((each, slot) => ({ ...results[slot]!, key: each, value })),
          actor,
        )
      }
    }
  } finally {
    await Promise.all(clients.map(client => client.close()))
  }
}
