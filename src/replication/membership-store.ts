/**
 * The coordinator's memory in a LevelDB of its own. Every new value takes a new key (docs/log-format.md says why
 * nothing is overwritten), synced before the change goes on; older values are cleared when the store is opened.
 */
import { randomBytes } from 'node:crypto'
import { Level } from 'level'
import { z } from 'zod'
import type { Membership, MembershipStore, StoredMembership } from './membership.js'

/** Format of the stored values. A store of a newer one is refused. */
const FORMAT_VERSION = 1
const IDENTITY_KEY = 'identity'

const identitySchema = z.object({ format: z.number().int(), clusterId: z.string().min(1) })

/** Opens or creates the store under `dir`. Rejects with a one-line error when it is locked, newer or damaged. */
export async function openMembershipStore(dir: string): Promise<MembershipStore> {
  const level = new Level<string, string>(dir, { keyEncoding: 'utf8', valueEncoding: 'utf8' })
  try {
    await level.open()
  } catch (error) {
    throw new Error(openFault(dir, error), { cause: error })
  }
  const clusterId = await identify(level, dir)
  return new LevelMembershipStore(level, clusterId, await readAll(level))
}

function openFault(dir: string, error: unknown): string {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined
  if (cause?.code === 'LEVEL_LOCKED') {
    return `${dir} is in use by another process: expected one coordinator; stop the other or use another --data`
  }
  return `${dir} cannot be opened as the coordinator's store: ${cause ?? error}`
}

async function identify(level: Level<string, string>, dir: string): Promise<string> {
  const text = await level.get(IDENTITY_KEY)
  if (text === undefined) {
    const clusterId = randomBytes(8).toString('hex')
    await level.put(IDENTITY_KEY, JSON.stringify({ format: FORMAT_VERSION, clusterId }), { sync: true })
    return clusterId
  }
  const { format, clusterId } = identitySchema.parse(JSON.parse(text))
  if (format > FORMAT_VERSION) {
    await level.close()
    throw new Error(`${dir} has format ${format}: expected ${FORMAT_VERSION} or lower; use a newer varve`)
  }
  return clusterId
}

/** The newest value of each shard; older ones are cleared. */
async function readAll(level: Level<string, string>): Promise<Map<number, StoredMembership>> {
  const newest = new Map<number, StoredMembership>()
  const stale: string[] = []
  let lastKey: string | undefined
  for await (const [key, text] of level.iterator({ gte: 'shard/', lt: 'shard0' })) {
    const [, ordinal, revision] = key.split('/')
    if (newest.has(Number(ordinal))) stale.push(lastKey!)
    newest.set(Number(ordinal), { revision: Number(revision), membership: JSON.parse(text) as Membership })
    lastKey = key
  }
  await level.batch(stale.map(key => ({ type: 'del' as const, key })))
  return newest
}

function keyOf(ordinal: number, revision: number): string {
  return `shard/${String(ordinal).padStart(5, '0')}/${String(revision).padStart(16, '0')}`
}

class LevelMembershipStore implements MembershipStore {
  readonly clusterId: string
  readonly #level: Level<string, string>
  readonly #newest: Map<number, StoredMembership>

  constructor(level: Level<string, string>, clusterId: string, newest: Map<number, StoredMembership>) {
    this.#level = level
    this.clusterId = clusterId
    this.#newest = newest
  }

  read(ordinal: number): StoredMembership | undefined {
    return this.#newest.get(ordinal)
  }

  async write(
    ordinal: number,
    expectedRevision: number,
    membership: Membership,
  ): Promise<number | undefined> {
    if ((this.#newest.get(ordinal)?.revision ?? 0) !== expectedRevision) return undefined
    const revision = expectedRevision + 1
    this.#newest.set(ordinal, { revision, membership })
    await this.#level.put(keyOf(ordinal, revision), JSON.stringify(membership), { sync: true })
    return revision
  }

  close(): Promise<void> {
    return this.#level.close()
  }
}
