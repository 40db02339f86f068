/**
 * A look at a database's folder that changes nothing in it. LevelDB has no way to open a folder for reading only: at every
 * open it takes in its write-ahead files, writes tables and a new manifest, and drops what it cannot read. So it is
 * given a folder of its own, for as long as somebody reads: its table files are links to the real ones, which LevelDB
 * never writes to again, and its write-ahead files are copies without what is damaged in the real ones. Its LOCK is a
 * link as well: whoever reads holds the real folder's lock, and is refused where a node holds it.
 */
import { constants, rmSync } from 'node:fs'
import { access, copyFile, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { LogError, reasonOf } from './errors.js'
import { encodeWal, scanWal } from './wal-scan.js'

/** A place in a write-ahead file that is not what was written. Offsets are in bytes. */
export interface FileFault {
  /** Path of the file. */
  readonly file: string
  readonly offset: number
  /** Where it is good again; the file's end for a torn one. */
  readonly endOffset: number
}

/** What was found in a folder's write-ahead files. */
export interface FolderFaults {
  /** Writes that good ones follow: synced data is gone. */
  readonly damages: readonly FileFault[]
  /** The write that the newest file ends within, as a crash leaves it: nobody was told that it is durable. */
  readonly torn: FileFault | undefined
}

/** The view's own folder, and what was found on the way to it. */
export interface LevelView {
  /** Where LevelDB may open it. */
  readonly path: string
  readonly faults: FolderFaults
  /** Removes the view. The database must be closed. */
  remove(): Promise<void>
}

/** Views that are there. A process that ends without closing them leaves none behind. */
const VIEWS = new Set<string>()

function removeViews(): void {
  for (const path of VIEWS) rmSync(path, { recursive: true, force: true })
}

/**
 * Makes a view of the folder at `dir`.
 * @throws LogError LOG_IO where it cannot be read, or the view not be written; LOG_FOREIGN where there is no database
 */
export async function viewFolder(dir: string): Promise<LevelView> {
  const names = await namesIn(dir)
  if (!names.includes('CURRENT')) {
    throw new LogError('LOG_FOREIGN', `${dir} holds no database (no file CURRENT)`)
  }
  await removeLeftViews()
  const path = await mkdtemp(join(tmpdir(), `${ofThisHost()}${process.pid}-`))
  if (VIEWS.size === 0) process.once('exit', removeViews)
  VIEWS.add(path)
  const remove = async () => {
    await rm(path, { recursive: true, force: true })
    VIEWS.delete(path)
    if (VIEWS.size === 0) process.off('exit', removeViews)
  }
  try {
    return { path, faults: await fill(resolve(dir), names, path), remove }
  } catch (error) {
    await remove()
    throw error instanceof LogError ? error : new LogError('LOG_IO', reasonOf(error), { cause: error })
  }
}

/** What the names of this machine's views begin with; the process id follows. */
function ofThisHost(): string {
  return `varve-view-${hostname().replace(/[^A-Za-z0-9.]/g, '_')}-`
}

/** Views of processes that were killed. Others may be at it as well: what does not work is left to them. */
async function removeLeftViews(): Promise<void> {
  const prefix = ofThisHost()
  const names = await readdir(tmpdir()).catch(() => [])
  for (const name of names.filter(each => each.startsWith(prefix))) {
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (Number.isNaN(pid) || isAlive(pid)) continue
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {})
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort()
  } catch (error) {
    throw new LogError('LOG_IO', `cannot read the data folder ${dir}: ${reasonOf(error)}`, { cause: error })
  }
}

async function fill(dir: string, names: readonly string[], view: string): Promise<FolderFaults> {
  const damages: FileFault[] = []
  let torn: FileFault | undefined
  for (const name of names) {
    const from = join(dir, name)
    const to = join(view, name)
    if (/\.(ldb|sst)$/.test(name)) await symlink(from, to)
    else if (name === 'CURRENT' || name.startsWith('MANIFEST-')) await copyFile(from, to)
    else if (name === 'LOCK') await linkLock(from, to)
    else if (/^\d+\.log$/.test(name)) {
      const found = await copyWal(from, to)
      // A file that another one follows was whole when that one was begun.
      if (torn !== undefined) damages.push(torn)
      damages.push(...found.damages)
      torn = found.torn
    }
  }
  return { damages, torn }
}

/** The lock needs a file that may be written to; on a disk that is for reading only nobody else can hold it. */
async function linkLock(from: string, to: string): Promise<void> {
  const isOurs = await access(from, constants.W_OK).then(
    () => true,
    () => false,
  )
  if (isOurs) await symlink(from, to)
}

async function copyWal(from: string, to: string): Promise<FolderFaults> {
  const bytes = await readFile(from)
  const { writes, damages, tornAt } = scanWal(bytes)
  const sound = damages.length > 0 ? encodeWal(writes) : bytes.subarray(0, tornAt ?? bytes.length)
  await writeFile(to, sound)
  return {
    damages: damages.map(each => ({ file: from, offset: each.damagedAt, endOffset: each.goodAgainAt })),
    torn:
      tornAt === undefined ? undefined : { file: from, offset: tornAt, endOffset: (await stat(from)).size },
  }
}
