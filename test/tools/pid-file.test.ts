import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { DataFolder } from '../../tools/local/data-folder.js'
import {
  claimSupervisor,
  endProcesses,
  forget,
  liveProcess,
  liveProcesses,
  readPid,
  writePid,
} from '../../tools/local/pid-file.js'
import { tempFolder } from './temp-folder.js'

function cluster(t: ExecutionContext): DataFolder {
  const folder = new DataFolder(tempFolder(t))
  folder.create('{}')
  return folder
}

/** A process that says when it runs, and has the arguments given. */
async function idle(t: ExecutionContext, ...args: string[]): Promise<ChildProcess & { pid: number }> {
  const script = `setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(0)); console.log('running')`
  const child = spawn(process.execPath, ['-e', script, '--', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child as ChildProcess & { pid: number }
}

test('A process is known by its data folder, not by its number alone', async t => {
  const folder = cluster(t)
  const ours = await idle(t, '--data', folder.nodeDir('h_1'))
  const other = await idle(t, '--data', folder.nodeDir('h_10'))
  writePid(folder.pidFile('h_1'), ours.pid)
  t.deepEqual(liveProcess(folder, 'h_1'), { name: 'h_1', role: 'node', pid: ours.pid })
  writePid(folder.pidFile('h_1'), other.pid)
  t.is(liveProcess(folder, 'h_1'), undefined)
})

test("A pid file with someone else's number leads to no signal", async t => {
  const folder = cluster(t)
  const foreign = await idle(t, 'something', 'else')
  for (const name of ['h_1', 'coordinator', 'up']) writePid(folder.pidFile(name), foreign.pid)
  writeFileSync(folder.startFile, '1\n')
  t.deepEqual(liveProcesses(folder), [])
  await endProcesses(folder, [{ name: 'h_1', role: 'node', pid: foreign.pid }], 1_000)
  t.is(foreign.exitCode, null)
  t.is(foreign.signalCode, null)
})

test('Ending processes waits until they are gone and removes their pid files', async t => {
  const folder = cluster(t)
  const child = await idle(t, '--data', folder.nodeDir('h_1'))
  writePid(folder.pidFile('h_1'), child.pid)
  const exited = once(child, 'exit')
  t.deepEqual(await endProcesses(folder, liveProcesses(folder), 10_000), [])
  t.is(liveProcess(folder, 'h_1'), undefined)
  t.false(existsSync(folder.pidFile('h_1')))
  t.deepEqual(await exited, [0, null])
})

test('What does not end in time is killed and named', async t => {
  const folder = cluster(t)
  const child = spawn(
    process.execPath,
    [
      '-e',
      `setInterval(() => {}, 1000); process.on('SIGTERM', () => {}); console.log(1)`,
      '--',
      '--data',
      folder.coordinatorDir,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  writePid(folder.pidFile('coordinator'), child.pid!)
  const exited = once(child, 'exit')
  t.deepEqual(await endProcesses(folder, liveProcesses(folder), 50), ['coordinator'])
  t.deepEqual(await exited, [null, 'SIGKILL'])
})

test('A folder has one supervisor; a pid file that a dead one left is no obstacle', t => {
  const folder = cluster(t)
  writePid(folder.pidFile('up'), 2 ** 22 + 1)
  writeFileSync(folder.startFile, '1\n')
  t.true(claimSupervisor(folder))
  t.is(readPid(folder.pidFile('up')), process.pid)
  forget(folder, 'up')
  t.false(existsSync(folder.startFile))
})

test('Pid files in a folder that is no cluster are left alone', t => {
  const path = tempFolder(t)
  writeFileSync(`${path}/sshd.pid`, `${process.ppid}\n`)
  t.deepEqual(new DataFolder(path).pidNames(), [])
})

for (const text of ['', 'abc', '-1', '0', '1 2']) {
  test(`A pid file that holds "${text}" names no process`, t => {
    const file = `${tempFolder(t)}/x.pid`
    writeFileSync(file, text)
    t.is(readPid(file), undefined)
  })
}
