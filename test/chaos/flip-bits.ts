/** Damages files of a node that does not run, as a failing disk would. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Random } from '../../tools/random.js'

/** Files that hold nothing which a node reads back. */
const NOT_DATA = /(^|\/)(LOCK|LOG|LOG\.old)$/

/** Flips one bit each at `count` random places of one random file. Returns what it did, in words. */
export function flipBits(dir: string, count: number, random: Random): string {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .filter(name => !NOT_DATA.test(name))
    .map(name => ({ name, path: join(dir, name), stat: statSync(join(dir, name)) }))
    .filter(({ stat }) => stat.isFile() && stat.size > 0)
  if (files.length === 0) return 'no file to damage'
  const { name, path } = random.pick(files)
  const bytes = readFileSync(path)
  const places: number[] = []
  for (let at = 0; at < count; at += 1) {
    const place = random.below(bytes.length)
    bytes[place]! ^= 1 << random.below(8)
    places.push(place)
  }
  writeFileSync(path, bytes)
  return `${name} (${bytes.length} bytes) at ${places.join(', ')}`
}

/** Removes the folders that a node set aside because they were damaged. */
export function removeDamagedCopies(dir: string): void {
  const prefix = `${basename(dir)}.damaged-`
  const names = readdirSync(dirname(dir)).filter(name => name.startsWith(prefix))
  for (const name of names) rmSync(join(dirname(dir), name), { recursive: true, force: true })
}
