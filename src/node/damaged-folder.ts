/**
 * Opens a node's log store; where verification finds it damaged, sets the folder aside and opens an empty one in its
 * place (Changes of configuration 4). The node is then no survivor of any shard (I5) and comes back as a learner, filled by
 * the others; where there are no others, its shards wait for an operator. The damaged folder is renamed, never deleted,
 * and not opened again: LevelDB would throw away what it cannot read.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { copyFile, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { LogError, reasonOf } from '../log/errors.js'
import { LevelDatabase } from '../log/level-database.js'
import { LevelFacts } from '../log/level-facts.js'
import { LevelLogStore, type LevelLogStoreOptions } from '../log/level-log.js'
import { findWalDamage } from '../log/wal-check.js'

/** With so many damaged copies beside it a folder is not replaced again: its disk breaks what is written to it. */
export const DAMAGED_COPIES_MAX = 3

/** In a data folder: the next start is to verify all of it, also what a checkpoint vouches for. LevelDB leaves it alone. */
const VERIFY_ALL = 'verify-all'

/** What the log's own messages advise is what is done here. */
const ADVICE = /: rename the data folder and join anew$/

export interface LogStoreOptions extends LevelLogStoreOptions {
  /** Facts about the process (`LogStore.getMeta`) that an empty store takes over, as far as they can still be read. */
  readonly carried: readonly string[]
  /** Epoch milliseconds, for the name of a folder that is set aside. Default: now. */
  readonly wallMs?: () => number
}

/**
 * As `LevelLogStore.open`, but a damaged folder does not reject, unless there are `DAMAGED_COPIES_MAX` of it already or
 * it cannot be renamed; one line in the log then says what was damaged and where it is now.
 * @throws LogError LOG_DAMAGED, LOG_NEWER_FORMAT, LOG_FOREIGN, LOG_LOCKED, LOG_IO
 */
export async function openLogStore(options: LogStoreOptions): Promise<LevelLogStore> {
  const marker = join(options.dir, VERIFY_ALL)
  const verifiesAll = existsSync(marker)
  try {
    const store = await LevelLogStore.open(verifiesAll ? { ...options, verifyFrom: async () => 0 } : options)
    if (verifiesAll) rmSync(marker, { force: true })
    return store
  } catch (error) {
    if (!isDamage(error)) throw error
    return await startAnew(options, error)
  }
}

/**
 * To be called before the process ends for an error: where that is damage, the next start verifies all of the folder.
 * Else it would trust its checkpoint, come upon the same record, and end again.
 */
export function noteDamage(dir: string, error: unknown): void {
  if (!isDamage(error) || !existsSync(dir)) return
  try {
    writeFileSync(join(dir, VERIFY_ALL), '')
  } catch {
    // The disk takes nothing: the process ends all the same, and says why.
  }
}

function isDamage(error: unknown): error is LogError {
  return error instanceof LogError && error.code === 'LOG_DAMAGED'
}

async function startAnew(options: LogStoreOptions, damage: LogError): Promise<LevelLogStore> {
  const { logger, carried, wallMs = Date.now } = options
  const dir = resolve(options.dir)
  // A store that is no folder, as in simulations, is not for us to replace.
  if (!existsSync(dir)) throw damage
  const reason = reasonOf(damage).replace(ADVICE, '')
  await refuseIfOften(dir, reason)
  const empty = await makeEmpty(dir, options, await readFacts(dir, carried))
  const aside = await setAside(dir, reason, wallMs())
  await rename(empty, dir)
  logger.error(
    { damaged: aside, shard: damage.shard, index: damage.index },
    `the data folder is damaged (${reason}): it was renamed to ${aside}, with all that it holds, and this node ` +
      'starts with an empty log, as a learner that other replicas fill; a shard that has no other replica left waits ' +
      'for an operator, and the renamed folder is then the only copy of its data: keep it',
  )
  return await LevelLogStore.open(options)
}

/** A whole store beside the damaged one: where it cannot be made, nothing has changed yet. Returns its folder. */
async function makeEmpty(
  dir: string,
  options: LogStoreOptions,
  facts: readonly (readonly [string, Buffer])[],
): Promise<string> {
  const empty = `${dir}.empty`
  await rm(empty, { recursive: true, force: true })
  const store = await LevelLogStore.open({ ...options, dir: empty })
  for (const [name, value] of facts) store.setMeta(name, value)
  await store.flush()
  await store.close()
  return empty
}

async function refuseIfOften(dir: string, reason: string): Promise<void> {
  const copies = await damagedCopies(dir)
  if (copies.length < DAMAGED_COPIES_MAX) return
  const problem = `${dir} is damaged (${reason}), and ${copies.length} damaged copies of it are there already`
  const remedy =
    'its disk breaks what is written to it: replace the disk, or move the copies away to try once more'
  throw new LogError('LOG_DAMAGED', `${problem} (${copies.join(', ')}): ${remedy}`)
}

/** Names of the folders that were set aside. */
async function damagedCopies(dir: string): Promise<string[]> {
  const prefix = `${basename(dir)}.damaged-`
  const names = await readdir(dirname(dir)).catch(() => [])
  return names.filter(name => name.startsWith(prefix)).sort()
}

/** Renames the folder to a name that nothing has; returns it. */
async function setAside(dir: string, reason: string, wallMs: number): Promise<string> {
  const time = new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '')
  for (let number = 1; ; number += 1) {
    const aside = `${dir}.damaged-${time}${number === 1 ? '' : `-${number}`}`
    if (existsSync(aside)) continue
    try {
      await rename(dir, aside)
      return aside
    } catch (error) {
      const problem = `${dir} is damaged (${reason}) and cannot be renamed to ${aside} (${reasonOf(error)})`
      throw new LogError('LOG_DAMAGED', `${problem}: move it away by hand and start again`)
    }
  }
}

/**
 * The facts of these names, as far as they can be read, in a copy of the folder: opening a database changes it. The copy
 * shares the table files, which LevelDB never writes to again, and its write-ahead files end where they are damaged.
 */
async function readFacts(dir: string, names: readonly string[]): Promise<[string, Buffer][]> {
  const copy = `${dir}.reading`
  try {
    await rm(copy, { recursive: true, force: true })
    await mkdir(copy)
    for (const name of await readdir(dir)) await copyForReading(join(dir, name), join(copy, name))
    const database = await LevelDatabase.open(copy)
    try {
      const values = await Promise.all(names.map(name => LevelFacts.read(database, `meta/${name}`)))
      return names.flatMap((name, at): [string, Buffer][] =>
        values[at] === undefined ? [] : [[name, values[at]]],
      )
    } finally {
      await database.close()
    }
  } catch {
    // Too damaged to tell: the empty store takes what the coordinator says.
    return []
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

async function copyForReading(from: string, to: string): Promise<void> {
  const name = basename(from)
  if (/\.(ldb|sst)$/.test(name)) return await link(from, to)
  if (/^\d+\.log$/.test(name)) {
    const bytes = await readFile(from)
    return await writeFile(to, bytes.subarray(0, findWalDamage(bytes)?.damagedAt ?? bytes.length))
  }
  if (name === 'CURRENT' || name.startsWith('MANIFEST-')) await copyFile(from, to)
}
