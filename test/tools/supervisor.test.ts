import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { CommandError } from '../../tools/exit-codes.js'
import type { ProcessSpec } from '../../tools/local/cluster-processes.js'
import { COORDINATOR, DataFolder, nodeName } from '../../tools/local/data-folder.js'
import { liveProcesses, readPid } from '../../tools/local/pid-file.js'
import { Supervisor } from '../../tools/local/supervisor.js'
import { tempFolder } from './temp-folder.js'

/** Listens at the port that is its first argument; ends in order on SIGTERM. */
const LISTENER = `
  const server = require('node:net').createServer().listen(Number(process.argv[1]), '127.0.0.1')
  process.on('SIGTERM', () => process.exit(0))
`
const STUBBORN = LISTENER.replace('process.exit(0)', '{}')

/** Ports that were free a moment ago. */
async function freePorts(howMany: number): Promise<number[]> {
  const servers = Array.from({ length: howMany }, () => createServer().listen(0, '127.0.0.1'))
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve =>
          server.once('listening', () => resolve((server.address() as { port: number }).port)),
        ),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

async function makeCluster(t: ExecutionContext, scripts: string[]) {
  const folder = new DataFolder(tempFolder(t))
  folder.create('{}')
  const ports = await freePorts(scripts.length)
  const specs = scripts.map((script, i): ProcessSpec => {
    const address = `127.0.0.1:${ports[i]}`
    const name = i === 0 ? COORDINATOR : nodeName(address)
    const dir = i === 0 ? folder.coordinatorDir : folder.nodeDir(name)
    const args = ['-e', script, '--', String(ports[i]), '--data', dir]
    return { name, role: i === 0 ? 'coordinator' : 'node', address, args }
  })
  return { folder, specs }
}

function supervise(t: ExecutionContext, folder: DataFolder, specs: ProcessSpec[], restart = true) {
  const notices: string[] = []
  const started: number[] = []
  const supervisor = new Supervisor(folder, specs, restart, {
    started: listening => started.push(listening),
    notice: line => notices.push(line),
  })
  t.teardown(() => supervisor.signalAll('SIGKILL'))
  return { supervisor, notices, started }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10)
}

const ready = async () => {}

test('All processes run once started, with pid files that hold their ids alone; once stopped none is left', async t => {
  const { folder, specs } = await makeCluster(t, [LISTENER, LISTENER, LISTENER])
  const { supervisor, started } = supervise(t, folder, specs)
  await supervisor.start(ready)
  t.deepEqual(started, [1, 2, 3])
  const live = liveProcesses(folder)
  t.deepEqual(
    live.map(each => each.role),
    ['coordinator', 'node', 'node'],
  )
  for (const each of live) t.is(readFileSync(folder.pidFile(each.name), 'utf8'), `${each.pid}\n`)
  await supervisor.stop()
  t.deepEqual(liveProcesses(folder), [])
  t.deepEqual(folder.pidNames(), [])
  t.is(supervisor.runningCount, 0)
})

test('A process that is killed is started again', async t => {
  const { folder, specs } = await makeCluster(t, [LISTENER, LISTENER])
  const { supervisor, notices } = supervise(t, folder, specs)
  await supervisor.start(ready)
  const file = folder.pidFile(specs[1]!.name)
  const before = readPid(file)!
  process.kill(before, 'SIGKILL')
  await until(() => notices.length === 2)
  t.regex(notices[0]!, /^node .* was ended by SIGKILL \(starting it again in 0\.5 s\)$/)
  t.regex(notices[1]!, /listens again/)
  t.not(readPid(file), before)
  await supervisor.stop()
})

test('Without restarts a process that ends stays away, and an empty cluster is known to be abandoned', async t => {
  const { folder, specs } = await makeCluster(t, [LISTENER])
  const { supervisor, notices } = supervise(t, folder, specs, false)
  await supervisor.start(ready)
  t.false(supervisor.isAbandoned)
  process.kill(readPid(folder.pidFile(COORDINATOR))!, 'SIGKILL')
  await until(() => notices.length === 1)
  t.regex(notices[0]!, /--no-restart/)
  t.true(supervisor.isAbandoned)
  t.false(existsSync(folder.pidFile(COORDINATOR)))
  await supervisor.stop()
})

test('A process that stays away is started on request, and so is one that is new; both are looked after', async t => {
  const { folder, specs } = await makeCluster(t, [LISTENER, LISTENER, LISTENER])
  const [coordinator, old, added] = specs as [ProcessSpec, ProcessSpec, ProcessSpec]
  const { supervisor, notices } = supervise(t, folder, [coordinator, old], false)
  t.false(supervisor.startNow(added), 'not before the cluster runs')
  await supervisor.start(ready)
  t.false(supervisor.startNow(old), 'it runs')
  process.kill(readPid(folder.pidFile(old.name))!, 'SIGKILL')
  await until(() => notices.length === 1)
  t.true(supervisor.startNow(old))
  t.true(supervisor.startNow(added))
  await until(() => notices.length === 3)
  t.true(notices.slice(1).every(notice => /^node .* listens \(pid \d+\)$/.test(notice)))
  process.kill(readPid(folder.pidFile(added.name))!, 'SIGKILL')
  await until(() => notices.length === 4)
  t.regex(notices[3]!, /--no-restart/)
  await supervisor.stop()
  t.deepEqual(liveProcesses(folder), [])
  t.false(supervisor.startNow(added), 'not after the end')
})

test('A start on request does not wait for the pause after a crash, and comes once', async t => {
  const { folder, specs } = await makeCluster(t, [LISTENER, LISTENER])
  const { supervisor, notices } = supervise(t, folder, specs)
  await supervisor.start(ready)
  const [, spec] = specs as [ProcessSpec, ProcessSpec]
  // The second pause is longer than the first: long enough to ask within it.
  for (const seen of [2, 3]) {
    process.kill(readPid(folder.pidFile(spec.name))!, 'SIGKILL')
    await until(() => notices.length === seen)
  }
  t.regex(notices[2]!, /starting it again in 1 s/)
  t.true(supervisor.startNow(spec))
  await until(() => notices.length === 4)
  // What must not happen gives no sign to wait for: the pause passes.
  const pid = readPid(folder.pidFile(spec.name))
  await delay(1_100)
  t.is(readPid(folder.pidFile(spec.name)), pid)
  t.is(notices.length, 4)
  await supervisor.stop()
})

test('A process that cannot start ends the start with what it said last and its exit code', async t => {
  const failing = `
    console.log(JSON.stringify({ level: 30, msg: 'opening' }))
    console.log(JSON.stringify({ level: 60, msg: 'the log of shard_1 is damaged at index 7' }))
    process.exit(2)
  `
  const { folder, specs } = await makeCluster(t, [LISTENER, LISTENER, failing])
  const { supervisor } = supervise(t, folder, specs)
  const error = await t.throwsAsync(supervisor.start(ready), { instanceOf: CommandError })
  t.is(
    error.message,
    `node ${specs[2]!.address} ended with exit code 2: the log of shard_1 is damaged at index 7`,
  )
  t.is(error.exitCode, 2)
  await supervisor.stop()
  t.deepEqual(liveProcesses(folder), [])
})

test('A process that later ends for a reason that stays is not started again', async t => {
  const refuse = `console.error('database locked for good'); process.exit(2)`
  const refusing = `${LISTENER}; process.on('SIGUSR2', () => { ${refuse} })`
  const { folder, specs } = await makeCluster(t, [LISTENER, refusing])
  const { supervisor, notices } = supervise(t, folder, specs)
  await supervisor.start(ready)
  process.kill(readPid(folder.pidFile(specs[1]!.name))!, 'SIGUSR2')
  await until(() => notices.length === 1)
  t.regex(notices[0]!, /ended with exit code 2: database locked for good \(not started again\)/)
  await supervisor.stop()
})

test('A start that is given up leaves nothing behind', async t => {
  const { folder, specs } = await makeCluster(t, [LISTENER, LISTENER])
  const { supervisor } = supervise(t, folder, specs)
  const waiting = supervisor.start(signal => delay(60_000, undefined, { signal }))
  waiting.catch(() => {})
  await until(() => liveProcesses(folder).length === 2)
  await supervisor.stop()
  t.deepEqual(liveProcesses(folder), [])
})

test('A stubborn process is killed by force on request', async t => {
  const { folder, specs } = await makeCluster(t, [STUBBORN])
  const { supervisor } = supervise(t, folder, specs)
  await supervisor.start(ready)
  const stopped = supervisor.stop()
  supervisor.signalAll('SIGKILL')
  await stopped
  t.is(supervisor.runningCount, 0)
})
