import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { DataFolder } from '../../tools/local/data-folder.js'
import { liveProcesses } from '../../tools/local/pid-file.js'
import { tempFolder } from './temp-folder.js'
import { type CommandResult, type RunningCommand, startVarve, varve } from './varve-command.js'

const NODES = 2

function canListen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** A port that is free, and so are the ones after it. Below the range that the system hands out by itself. */
async function freeBasePort(howMany: number): Promise<number> {
  for (;;) {
    const base = 10_000 + Math.floor(Math.random() * 20_000)
    const ports = Array.from({ length: howMany }, (_, i) => base + i)
    if ((await Promise.all(ports.map(canListen))).every(free => free)) return base
  }
}

interface Place {
  readonly folder: DataFolder
  readonly base: number
  /** Runs a command against the cluster. */
  run(...args: string[]): Promise<CommandResult>
  /** Starts the cluster and resolves when it serves. */
  up(...args: string[]): Promise<RunningCommand>
}

async function place(t: ExecutionContext): Promise<Place> {
  const folder = new DataFolder(join(tempFolder(t), 'data'))
  const base = await freeBasePort(NODES + 1)
  t.teardown(async () => {
    await varve(['down', '--data', folder.path])
  })
  return {
    folder,
    base,
    run: (...args) => varve([...args, '--endpoints', `127.0.0.1:${base}`]),
    up: async (...args) => {
      const command = startVarve(['up', '--data', folder.path, ...args])
      await until(command, () => command.output.stdout.includes('Ctrl-C stops it'))
      return command
    },
  }
}

async function until(command: RunningCommand, condition: () => boolean): Promise<void> {
  let end: CommandResult | undefined
  void command.ended.then(result => {
    end = result
  })
  while (!condition()) {
    if (end !== undefined) throw new Error(`ended with ${end.exitCode}: ${end.stderr}`)
    await delay(20)
  }
}

const shape = (base: number) => ['--shards', '2', '--replicas', String(NODES), '--base-port', String(base)]

test.serial('A person starts a cluster, uses it, stops it and starts it again', async t => {
  const { folder, base, run, up } = await place(t)
  const first = await up(...shape(base))
  t.regex(first.output.stdout, /^Varve is up: 2 shards, chain, strong by default/)
  t.regex(
    first.output.stdout,
    new RegExp(`shard_1 +127\\.0\\.0\\.1:${base + 2} +127\\.0\\.0\\.1:${base + 1}`),
  )
  await useKeys(t, run)
  await useFiles(t, run, folder)
  await lookInside(t, run, base)
  t.is((await varve(['up', '--data', folder.path])).exitCode, 3)
  first.signal('SIGINT')
  t.is((await first.ended).exitCode, 0)
  t.deepEqual(liveProcesses(folder), [])
  t.deepEqual(folder.pidNames(), [])

  const offline = await varve(['log', 'stat', '--data', folder.path, '-o', 'json'])
  t.true(JSON.parse(offline.stdout).shards[0].entries > 0)

  const second = await up()
  t.is((await run('get', 'kept')).stdout, 'value\n')
  second.signal('SIGTERM')
  t.is((await second.ended).exitCode, 0)
})

async function useKeys(t: ExecutionContext, run: Place['run']): Promise<void> {
  t.regex((await run('set', 'kept', 'value')).stdout, /^set: shard_[01]\/\d+, Lamport \d+, committed\n$/)
  t.is((await run('get', 'kept')).stdout, 'value\n')
  const missing = await run('get', 'missing', '-o', 'json')
  t.is(missing.exitCode, 1)
  const fields = ['op', 'key', 'found', 'value', 'shard', 'index', 'lamport']
  t.deepEqual(Object.keys(JSON.parse(missing.stdout)).slice(0, 7), fields)
  t.like(JSON.parse(missing.stdout), {
    op: 'get',
    key: 'missing',
    found: false,
    value: null,
    index: 0,
    lamport: 0,
  })

  const refused = await run('set', 'kept', 'other', '--if-absent', '--previous', '-o', 'json')
  t.is(refused.exitCode, 1)
  t.false(JSON.parse(refused.stdout).applied)
  const replaced = await run('set', 'user/1', 'ada', '--previous')
  t.regex(replaced.stdout, /before: \(nothing\)/)
  await run('set', 'user/2', 'lin')
  const scanned = await run('scan', 'user/', '-o', 'ndjson')
  const items = scanned.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    items.map(({ key, value }) => [key, value]),
    [
      ['user/1', 'ada'],
      ['user/2', 'lin'],
    ],
  )
  t.is((await run('delete', 'user/2')).exitCode, 0)
  t.is((await run('get', 'user/2')).exitCode, 1)
  t.is((await run('scan', 'user/', '--keys-only')).stdout, 'user/1\n')
}

async function useFiles(t: ExecutionContext, run: Place['run'], folder: DataFolder): Promise<void> {
  const file = join(folder.path, '..', 'ops.txt')
  writeFileSync(file, '# people\nset a 1\nget a\n\ndelete a\nget a\nset b two words\n')
  const done = await run('run', file, '-o', 'ndjson')
  t.is(done.exitCode, 0)
  const lines = done.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    lines.map(({ line, op }) => `${line} ${op}`),
    ['2 set', '3 get', '5 delete', '6 get', '7 set'],
  )
  t.deepEqual(Object.keys(lines[1]), ['line', 'op', 'key', 'found', 'value', 'shard', 'index', 'lamport'])
  t.like(lines[1], { found: true, value: '1', index: lines[0].index })
  t.like(lines[3], { found: false, value: null, index: lines[2].index })
  t.regex(done.stderr, /5 operations in .*2 set, 2 get \(1 found\), 1 delete\n.*p50 .*p99/s)

  writeFileSync(file, 'set c 3\nnonsense here\nset c 4\n')
  const broken = await run('run', file)
  t.is(broken.exitCode, 2)
  t.regex(broken.stderr, /ops\.txt, line 2: expected .*: nonsense here\n$/)
  t.regex(broken.stdout, /1 operation in/)
  t.is((await run('get', 'c')).stdout, '3\n')
}

async function lookInside(t: ExecutionContext, run: Place['run'], base: number): Promise<void> {
  const status = JSON.parse((await run('status', '-o', 'json')).stdout)
  t.deepEqual(
    status.shards.map((shard: { status: string }) => shard.status),
    ['ACTIVE', 'ACTIVE'],
  )
  t.is(status.nodes.length, NODES + 1)
  t.true(status.nodes.every((node: { reachable: boolean; pid: number }) => node.reachable && node.pid > 0))
  t.regex((await run('status')).stdout, /shard_0 +1 +ACTIVE/)

  const diff = await run('replica', 'diff', '--values', '-o', 'json')
  t.is(diff.exitCode, 0, diff.stdout)
  t.true(JSON.parse(diff.stdout).same)

  const cat = await run('log', 'cat', '--prefix', 'user/', '-o', 'ndjson')
  const entries = cat.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    entries.map(({ operation, key }) => `${operation} ${key}`),
    ['set user/1', 'set user/2', 'delete user/2'],
  )
  const stat = JSON.parse((await run('log', 'stat', '-o', 'json')).stdout)
  t.is(stat.shards.length, 2)

  const replica = JSON.parse(
    (await run('get', 'kept', '--replica', `127.0.0.1:${base + 2}`, '-o', 'json')).stdout,
  )
  t.like(replica, { found: true, value: 'value', node: `127.0.0.1:${base + 2}` })
  const unknown = await run('log', 'cat', '--shard', 'shard_7')
  t.is(unknown.exitCode, 2)
  t.regex(unknown.stderr, /^varve: shard "shard_7" given, the cluster has shard_0, shard_1\n$/)
}

test.serial('A watch tells of changes as they come, from a position on', async t => {
  const { base, run, up } = await place(t)
  await up(...shape(base))
  for (const value of ['1', '2']) await run('set', 'user/a', value)
  await run('set', 'other', '3')
  const endpoints = ['--endpoints', `127.0.0.1:${base}`]
  const past = startVarve(['watch', 'user/', '--from', 'start', '--limit', '2', '-o', 'ndjson', ...endpoints])
  const changes = (await past.ended).stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.deepEqual(
    changes.map(({ operation, key, value }) => [operation, key, value]),
    [
      ['set', 'user/a', '1'],
      ['set', 'user/a', '2'],
    ],
  )
  const live = startVarve(['watch', '--from', 'start', ...endpoints])
  await until(live, () => live.output.stdout.includes('other 3'))
  await run('delete', 'user/a')
  await until(live, () => live.output.stdout.includes('delete user/a'))
  live.signal('SIGINT')
  t.is((await live.ended).exitCode, 0)
})

test.serial(
  'A cluster behind outlives its command, comes back after kill -9 of everything, and is stopped by down',
  async t => {
    const { folder, base, run } = await place(t)
    const started = await varve(['up', '--detach', '--data', folder.path, ...shape(base)])
    t.is(started.exitCode, 0, started.stderr)
    t.regex(started.stdout, /`npx varve down --data .*` stops it/)
    t.is(liveProcesses(folder).length, NODES + 2)
    await run('set', 'kept', 'value')
    for (const { pid } of liveProcesses(folder)) process.kill(pid, 'SIGKILL')
    while (liveProcesses(folder).length > 0) await delay(10)

    const again = await varve(['up', '--detach', '--data', folder.path, ...shape(base)])
    t.is(again.exitCode, 0, again.stderr)
    t.is((await run('get', 'kept')).stdout, 'value\n')
    const down = await varve(['down', '--data', folder.path])
    t.is(
      down.stdout,
      `stopped the supervisor, the coordinator, ${NODES} nodes; the data stays in ${folder.path}\n`,
    )
    t.is(down.exitCode, 0)
    t.deepEqual(folder.pidNames(), [])
    t.is((await varve(['down', '--data', folder.path])).stdout, `nothing is running in ${folder.path}\n`)
  },
)

test.serial('A process that dies is started again and takes part again', async t => {
  const { folder, base, run, up } = await place(t)
  const command = await up(...shape(base))
  await run('set', 'kept', 'value')
  const node = liveProcesses(folder).find(each => each.role === 'node')!
  process.kill(node.pid, 'SIGKILL')
  await until(command, () => command.output.stderr.includes('listens again'))
  t.is((await run('get', 'kept', '--timeout', '60s')).stdout, 'value\n')
  t.is((await run('replica', 'diff', '--timeout', '60s')).exitCode, 0)
  t.not(Number(readFileSync(folder.pidFile(node.name), 'utf8')), node.pid)
})
