/** Which Varve this is, from the package's own description. */
import { existsSync, readFileSync } from 'node:fs'

/** Found beside `src` where the sources run, and one folder up where the build runs. */
const CANDIDATES = ['../package.json', '../../package.json']

/** Name and version of the package. */
export function versionOf(): { name: string; version: string } {
  for (const candidate of CANDIDATES) {
    const file = new URL(candidate, import.meta.url)
    if (!existsSync(file)) continue
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string }
    return { name, version }
  }
  return { name: 'varve', version: 'unknown' }
}
