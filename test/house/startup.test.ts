/** Every run of `varve` pays for what is loaded before its command is known. */
import { accessSync, constants, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const STATIC_IMPORT = /^(?:import|export) (?!type\b)[^;'"]*?from ['"]([^'"]+)['"]|^import ['"]([^'"]+)['"]/gm

/** Packages that are loaded with a file, each with the way to it. */
function packagesOf(start: string): Map<string, string> {
  const packages = new Map<string, string>()
  const seen = new Set([start])
  const ways: string[][] = [[start]]
  for (const way of ways) {
    const file = way.at(-1)!
    for (const [, from, bare] of readFileSync(file, 'utf8').matchAll(STATIC_IMPORT)) {
      const name = from ?? bare!
      if (name.startsWith('node:')) continue
      const target = name.startsWith('.') ? resolve(dirname(file), name.replace(/\.js$/, '.ts')) : name
      if (!name.startsWith('.')) packages.set(name, way.map(each => relative(ROOT, each)).join(' > '))
      else if (!seen.has(target)) {
        seen.add(target)
        ways.push([...way, target])
      }
    }
  }
  return packages
}

test('until its command is known, varve loads its parser of arguments and no other package', t => {
  const { commander, ...others } = Object.fromEntries(packagesOf(join(ROOT, 'tools/varve.ts')))
  t.truthy(commander)
  t.deepEqual(others, {})
})

test('the command that a build leaves may be executed', t => {
  t.notThrows(() => accessSync(join(ROOT, 'dist/tools/varve.js'), constants.X_OK))
})
