import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { tempFolder } from './temp-folder.js'
import { varve } from './varve-command.js'

/** Nobody listens at port 1. */
const NOBODY = ['--endpoints', '127.0.0.1:1']

const badUsage: [args: string[], message: RegExp][] = [
  [['frobnicate'], /^varve: unknown command 'frobnicate'\n$/],
  [['get'], /^varve: missing required argument 'key'\n$/],
  [['get', 'a', '--bogus'], /^varve: unknown option '--bogus'\n$/],
  [['get', 'a', '-o', 'xml'], /'xml' is invalid\. Allowed choices are table, json, ndjson\.\n$/],
  [['get', 'a', '--replica', 'nowhere'], /'nowhere' is invalid\. An address is host:port/],
  [
    ['get', 'a', '--consistency', 'some'],
    /'some' is invalid\. Allowed choices are strong, weak, session\.\n$/,
  ],
  [['get', ''], /^varve: an empty key given/],
  [['set', 'a', 'b', '--if-index', '-1'], /Allowed is a whole number from 0\.\n$/],
  [['set', 'a', 'b', '--if-index', '1', '--if-absent'], /cannot be used with/],
  [['scan', 'a', '--start', 'b'], /^varve: prefix "a" given together with --start or --end/],
  [['watch', '--from', '5 minutes', ...NOBODY], /^varve: --from: "5 minutes" given, allowed is start, now/],
  [['run', 'no-such-file.txt'], /^varve: no-such-file\.txt: there is no such file/],
  [['run', 'test'], /^varve: test is a folder, expected a file/],
  [['--endpoints', 'localhost', 'status'], /'localhost' is invalid\. An address is host:port/],
  [['--timeout', '0', 'status'], /Allowed is a length of time such as 500ms, 10s or 2m\.\n$/],
  [['up', '--shards', 'many'], /'many' is invalid\. Allowed is a whole number from 1 to 65535\.\n$/],
  [['up', '--data', 'test'], /^varve: --data: test holds no Varve cluster/],
  [
    ['up', '--config', 'no-such.json', '--data', 'no-such-folder'],
    /^varve: --config no-such\.json: there is no such file/,
  ],
  [
    ['log', 'cat', '--data', 'no-such-folder'],
    /^varve: --data: no-such-folder given, there is no such folder/,
  ],
  [
    ['log', 'stat', '--data', 'test'],
    /^varve: --data: test holds other files .*: expected the folder of a cluster .* or of a node/,
  ],
]

for (const [args, message] of badUsage) {
  test(`varve ${args.join(' ')}: bad usage is one line on stderr and exit code 2`, async t => {
    const { exitCode, stdout, stderr } = await varve(args)
    t.regex(stderr, message)
    t.is(stderr.trim().split('\n').length, 1)
    t.is(stdout, '')
    t.is(exitCode, 2)
  })
}

for (const args of [
  ['get', 'a'],
  ['set', 'a', 'b'],
  ['scan'],
  ['status'],
  ['replica', 'diff'],
  ['log', 'cat'],
]) {
  test(`varve ${args.join(' ')}: where nobody answers it says whom it asked, and exits with 3`, async t => {
    const { exitCode, stderr } = await varve([...args, ...NOBODY])
    t.regex(stderr, /^varve: .*127\.0\.0\.1:1.*varve up.*\n$/)
    t.is(stderr.trim().split('\n').length, 1)
    t.is(exitCode, 3)
  })
}

test('The environment names endpoints and output; a flag outweighs it', async t => {
  const fromEnv = await varve(['status'], '', { VARVE_ENDPOINTS: '127.0.0.1:2' })
  t.regex(fromEnv.stderr, /127\.0\.0\.1:2/)
  const flag = await varve(['status', ...NOBODY], '', { VARVE_ENDPOINTS: '127.0.0.1:2' })
  t.regex(flag.stderr, /127\.0\.0\.1:1:/)
  const output = await varve(['down', '--data', 'no-such-folder'], '', { VARVE_OUTPUT: 'json' })
  t.deepEqual(JSON.parse(output.stdout).stopped, [])
})

test('Help and version are answers, no command is bad usage', async t => {
  const help = await varve(['set', '--help'])
  t.is(help.exitCode, 0)
  t.regex(help.stdout, /--if-index/)
  t.regex(help.stdout, /--endpoints/)
  t.is((await varve(['--version'])).exitCode, 0)
  t.is((await varve([])).exitCode, 2)
})

test('With nothing running, down says so and is content', async t => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'cluster.json'), '{}')
  const { exitCode, stdout } = await varve(['down', '--data', folder])
  t.is(stdout, `nothing is running in ${folder}\n`)
  t.is(exitCode, 0)
})

test('An address in use is named before anything is started or made', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const data = join(tempFolder(t), 'data')
  const { exitCode, stderr } = await varve([
    'up',
    '--base-port',
    String(port),
    '--replicas',
    '1',
    '--data',
    data,
  ])
  t.regex(stderr, new RegExp(`^varve: 127\\.0\\.0\\.1:${port} is in use.*--base-port`))
  t.is(exitCode, 3)
  t.throws(() => readdirSync(data), { code: 'ENOENT' })
})

test("An address of another machine is no place for a local cluster's processes", async t => {
  const dir = tempFolder(t)
  const file = join(dir, 'c.json')
  writeFileSync(file, JSON.stringify({ coordinator: '192.0.2.1:5000', shards: { a: ['192.0.2.1:5001'] } }))
  const { exitCode, stderr } = await varve(['up', '--config', file, '--data', join(dir, 'data')])
  t.regex(stderr, /^varve: 192\.0\.2\.1:5000 is no address of this machine/)
  t.is(exitCode, 2)
})

test('A folder of a newer version is refused', async t => {
  const folder = tempFolder(t)
  mkdirSync(join(folder, 'nodes'))
  writeFileSync(join(folder, 'cluster.json'), JSON.stringify({ formatVersion: 2 }))
  const { exitCode, stderr } = await varve(['up', '--data', folder])
  t.regex(stderr, /formatVersion: 2 given, this version of Varve reads 1: use a newer Varve/)
  t.is(exitCode, 2)
})
