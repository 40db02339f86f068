/** A folder that is there as a whole or not at all: built beside its place and put there when it is done. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { badUsage, unavailable } from '../exit-codes.js'
import { startOf } from '../local/pid-file.js'

/** Says whose work a partial folder is: the process, and when that began. */
const MARK = 'being-made'

/**
 * Lets `fill` make the contents of `path` in a folder beside it, and puts that in its place. Where `fill` fails nothing
 * is left. Throws bad usage where there is something at `path` already; `option` names where it was given.
 */
export async function makeWhole<T>(
  path: string,
  option: string,
  fill: (partial: string) => Promise<T>,
): Promise<T> {
  refuseTaken(path, option)
  const partial = `${path}.partial`
  claim(partial, option)
  try {
    const made = await fill(partial)
    rmSync(join(partial, MARK))
    // An empty folder may have been made for it.
    if (existsSync(path)) rmdirSync(path)
    renameSync(partial, path)
    return made
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    throw error
  }
}

/** Throws bad usage unless there is nothing at `path`, or an empty folder. */
export function refuseTaken(path: string, option: string): void {
  if (!existsSync(path)) return
  if (!statSync(path).isDirectory())
    throw badUsage(`${option}: ${path} is a file, expected a folder that is new`)
  const [first] = readdirSync(path)
  if (first === undefined) return
  throw badUsage(`${option}: ${path} is not empty (${first} is in it): expected an empty folder or a new one`)
}

/** What an earlier try left when its process was killed goes; what is not known to be that stays. */
function claim(partial: string, option: string): void {
  if (existsSync(partial)) {
    const [pid, start] = readMark(partial)
    if (pid === undefined) {
      throw badUsage(
        `${option}: ${partial} is there, where the fork would be made first: remove or rename it`,
      )
    }
    if (startOf(pid) === start) throw unavailable(`${option}: process ${pid} is making it at this moment`)
    rmSync(partial, { recursive: true, force: true })
  }
  mkdirSync(dirname(partial), { recursive: true })
  mkdirSync(partial)
  writeFileSync(join(partial, MARK), `${process.pid} ${startOf(process.pid) ?? ''}\n`)
}

function readMark(partial: string): [pid: number | undefined, start: string | undefined] {
  try {
    const [pid, start] = readFileSync(join(partial, MARK), 'utf8').trim().split(' ')
    return [Number(pid), start]
  } catch {
    return [undefined, undefined]
  }
}
