/**
 * The coordinator's memory in a LevelDB of its own. Every new value takes a new key (docs/log-format.md says why
 * nothing is overwritten), synced before the change goes on; older values are cleared when the store is opened.
 */
import { randomBytes } from 'node:crypto'
import { Level } from 'level'
import { z } from 'zod'
import { ConfigurationStatus } from '../generated/varve/v1/replication.js'
import { checkWriteAheadFiles } from '../log/wal-check.js'
import type { Membership, MembershipStore, StoredMembership } from './membership.js'

/** Format of the stored values. A store of a newer one is refused. */
const FORMAT_VERSION = 1
const IDENTITY_KEY = 'identity'

const identitySchema = z.object({ format: z.number().int(), clusterId: z.string().min(1) })

const whole = z.number().int().nonnegative()

const configurationSchema = z.looseObject({
  logId: z.string(),
  epoch: whole,
  head: z.string(),
  members: z.array(z.looseObject({ address: z.string(), incarnation: whole, upstream: z.string() })).min(1),
  topology: whole,
  minInSync: whole,
  status: whole,
})

/** What cannot be a membership is not made one: a change that begins from it could lose what was acknowledged. */
const membershipSchema = z.looseObject({
  logId: z.string().regex(/^[0-9a-f]{32}$/),
  reservedEpoch: whole,
  current: configurationSchema.nullable(),
  base: configurationSchema.nullable(),
  baseEpochIndex: whole,
  baseEpochHash: z.string(),
  activeEpochs: z.array(whole),
  reports: z.record(z.string(), whole),
  commitBound: whole,
  // Stores that were made before members could leave do not have these.
  active: configurationSchema.nullable().optional(),
  activeEpochIndex: whole.default(0),
  wanted: whole.optional(),
  left: z.array(z.string()).default([]),
  recovery: z.object({ epoch: whole, cutIndex: whole, lostToIndex: whole }).nullable().default(null),
})

/** The value with all that today's has. */
function completed(stored: z.infer<typeof membershipSchema>): Membership {
  const { current } = stored
  const active = stored.active ?? (current?.status === ConfigurationStatus.ACTIVE ? current : stored.base)
  const wanted = stored.wanted ?? current?.members.length ?? 1
  return { ...stored, active, wanted } as unknown as Membership
}

/** Opens or creates the store under `dir`. Rejects with a one-line error when it is locked, newer or damaged. */
export async function openMembershipStore(dir: string): Promise<MembershipStore> {
  // LevelDB would drop a damaged write from the middle without a word, and an older membership would count again.
  await checkWriteAheadFiles(dir, 'restore the folder from a copy')
  const level = new Level<string, string>(dir, { keyEncoding: 'utf8', valueEncoding: 'utf8' })
  try {
    await level.open()
  } catch (error) {
    throw new Error(openFault(dir, error), { cause: error })
  }
  try {
    const clusterId = await identify(level, dir)
    return new LevelMembershipStore(level, clusterId, await readAll(level, dir))
  } catch (error) {
    await level.close()
    throw error
  }
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
  const { format, clusterId } = parse(identitySchema, text, dir, 'its identity')
  if (format > FORMAT_VERSION) {
    throw new Error(`${dir} has format ${format}: expected ${FORMAT_VERSION} or lower; use a newer varve`)
  }
  return clusterId
}

/** One value of the store, as JSON; a one-line error where it is none. */
function parse<T>(schema: z.ZodType<T>, text: string, dir: string, what: string): T {
  let fault: string
  try {
    const parsed = schema.safeParse(JSON.parse(text))
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    fault = `${issue?.path.join('.')}: ${issue?.message}`
  } catch {
    fault = 'no JSON'
  }
  throw new Error(`${dir} is damaged: ${what} cannot be read (${fault}); restore the folder from a copy`)
}

/** The newest value of each shard; older ones are cleared. */
async function readAll(level: Level<string, string>, dir: string): Promise<Map<number, StoredMembership>> {
  const newest = new Map<number, StoredMembership>()
  const stale: string[] = []
  let lastKey: string | undefined
  for await (const [key, text] of level.iterator({ gte: 'shard/', lt: 'shard0' })) {
    const [, ordinal, revision] = key.split('/')
    if (newest.has(Number(ordinal))) stale.push(lastKey!)
    const membership = completed(parse(membershipSchema, text, dir, key))
    newest.set(Number(ordinal), { revision: Number(revision), membership })
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
