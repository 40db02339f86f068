/** The layers of ARCHITECTURE.md, held by a test: imports run one way, and few files touch disk and network. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Which layers each layer may import, itself included. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'src/log': ['src/log'],
  'src/projection': ['src/projection', 'src/log'],
  'src/replication': ['src/replication', 'src/log', 'src/generated'],
  'src/client': ['src/client', 'src/log', 'src/projection', 'src/replication', 'src/generated'],
  'src/node': [
    'src/node',
    'src/client',
    'src/log',
    'src/projection',
    'src/replication',
    'src/generated',
    'src/version.ts',
  ],
  'src/index.ts': ['src/client', 'src/node', 'src/log', 'src/projection', 'src/generated'],
  'src/version.ts': [],
  tools: [
    'tools',
    'src/client',
    'src/log',
    'src/projection',
    'src/node',
    'src/generated',
    'src/index.ts',
    'src/version.ts',
  ],
}

/** Packages that only some files may use. */
const RESTRICTED: readonly { readonly package: RegExp; readonly files: RegExp }[] = [
  {
    package: /^(level|classic-level|abstract-level)$/,
    files: /^src\/log\/(level-|group-commit|iterator-gate)|^src\/replication\/membership-store\.ts$/,
  },
  {
    package: /^@grpc\//,
    files: /^src\/(node|client)\/|^src\/replication\/(grpc-transport|outgoing-link|link-codec)\.ts$|^tools\//,
  },
  { package: /^grpc-health-check$/, files: /^src\/node\// },
  { package: /^pino$/, files: /-main\.ts$/ },
]

/** Files of the replication layer that may know of time, chance, disk and network; all others are pure. */
const IMPURE =
  /^src\/replication\/(grpc-transport|outgoing-link|link-codec|membership-store|coordinator-driver)\.ts$/

const FORBIDDEN_IN_PURE =
  /\b(Date\.now|new Date\(|Math\.random|performance\.now|set(Timeout|Interval|Immediate)|process\.(env|pid|exit|on)\b)/

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join(folder, name))
    .filter(file => !file.startsWith('src/generated'))
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(match => match[1]!)
}

function layerOf(file: string): string {
  return Object.keys(ALLOWED).find(layer => file === layer || file.startsWith(`${layer}/`)) ?? file
}

const files = [...sourceFiles('src'), ...sourceFiles('tools')]

test('imports run in the direction that the architecture states', t => {
  const wrong: string[] = []
  for (const file of files) {
    const allowed = ALLOWED[layerOf(file)]
    if (allowed === undefined) {
      wrong.push(`${file} is in no known layer`)
      continue
    }
    for (const specifier of importsOf(file).filter(name => name.startsWith('.'))) {
      const target = relative(ROOT, resolve(ROOT, dirname(file), specifier)).replace(/\.js$/, '.ts')
      const isAllowed = allowed.some(layer => target === layer || target.startsWith(`${layer}/`))
      if (!isAllowed) wrong.push(`${file} imports ${target}`)
    }
  }
  t.deepEqual(wrong, [])
})

test('only the files that are meant to touch LevelDB, gRPC and pino', t => {
  const wrong: string[] = []
  for (const file of files) {
    for (const specifier of importsOf(file)) {
      const rule = RESTRICTED.find(each => each.package.test(specifier))
      if (rule !== undefined && !rule.files.test(file)) wrong.push(`${file} imports ${specifier}`)
    }
  }
  t.deepEqual(wrong, [])
})

test('the state machines know neither clock nor chance nor process', t => {
  const wrong = sourceFiles('src/replication')
    .filter(file => !IMPURE.test(file))
    .filter(file => FORBIDDEN_IN_PURE.test(readFileSync(join(ROOT, file), 'utf8')))
  t.deepEqual(wrong, [])
})
