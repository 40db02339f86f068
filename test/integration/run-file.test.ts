/** `varve run` on real input: every GET of a strong run answers what a sequential execution of the file answers. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { TestCluster, until } from './support/processes.js'
import { replicasDiffer } from './support/replicas.js'

const VARVE = fileURLToPath(new URL('../../dist/tools/varve.js', import.meta.url))
/** Real input, where it lies beside the checkout. */
const EXPERIMENT = fileURLToPath(new URL('../../../shared/data/experiment.txt', import.meta.url))

interface Line {
  readonly line: number
  readonly op: string
  readonly key: string
  readonly found?: boolean
  readonly value?: string | null
}

/** The file's text: the real one, or operations of the same shape on few keys. */
function operations(): string {
  if (existsSync(EXPERIMENT)) return readFileSync(EXPERIMENT, 'utf8')
  const lines = Array.from({ length: 600 }, (_, at) => {
    const key = `name-${(at * 7) % 13}`
    return [`set ${key} value ${at}`, `get ${key}`, `delete ${key}`, `get name-${at % 13}`][(at * 5) % 4]!
  })
  return `${lines.join('\n')}\n`
}

test('a run file on a star of three shards answers as one after another would, and replicas end equal', async t => {
  const cluster = await TestCluster.start(t, {
    shards: 3,
    replicas: 3,
    topology: 'star',
    consistency: 'strong',
  })
  const text = operations()
  const file = join(cluster.dir, 'operations.txt')
  writeFileSync(file, text)
  const args = ['run', file, '-o', 'ndjson', '--endpoints', cluster.endpoints.join(',')]
  const { stdout } = await promisify(execFile)(process.execPath, [VARVE, ...args], {
    maxBuffer: 64 * 1_048_576,
  })
  const answers = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line)
  const source = text.split('\n')
  const state = new Map<string, string>()
  for (const { line, op, key, found, value } of answers) {
    const [word, name, ...rest] = source[line - 1]!.split(' ')
    t.deepEqual([op, key], [word, name])
    if (op === 'set') state.set(key, rest.join(' '))
    else if (op === 'delete') state.delete(key)
    else t.deepEqual([found, value], [state.has(key), state.get(key) ?? null], `line ${line}: get ${key}`)
  }
  t.is(answers.length, source.filter(line => line !== '').length)
  await until('all replicas are equal', () => replicasDiffer(cluster))
})
