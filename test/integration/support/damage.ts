/** Damage to the files of a stopped process. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Flips one bit inside `pattern`, which is longer than 100 bytes, in the first file that holds it behind its first third. */
export function flipBitIn(dir: string, pattern: Buffer): void {
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(log|ldb)$/.test(name)) continue
    const file = join(dir, name)
    const bytes = readFileSync(file)
    const at = bytes.indexOf(pattern, Math.floor(bytes.length / 3))
    if (at < 0) continue
    bytes[at + 100]! ^= 4
    writeFileSync(file, bytes)
    return
  }
  throw new Error(`no file under ${dir} holds the pattern`)
}
