/** `varve node start` and `varve node kill` with real processes, under a supervisor and without one. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { makeLocalConfig, nodesOf, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { onFreePorts } from '../../src/node/free-ports.js'
import { readClusterConfig } from '../../tools/local/cluster-processes.js'
import { DataFolder, nodeName, SUPERVISOR } from '../../tools/local/data-folder.js'
import { liveProcess, liveProcesses } from '../../tools/local/pid-file.js'
import { tempFolder } from './temp-folder.js'
import { type CommandResult, startVarve, varve } from './varve-command.js'

interface Place {
  readonly folder: DataFolder
  readonly nodes: readonly string[]
  /** Runs a command on the folder's cluster, which must do what is asked. */
  run(...args: string[]): Promise<CommandResult>
}

/** A cluster of one shard with two replicas, in the background. */
async function place(t: ExecutionContext, ...flags: string[]): Promise<Place> {
  const dir = tempFolder(t)
  const folder = new DataFolder(join(dir, 'data'))
  t.teardown(() => varve(['down', '--data', folder.path]))
  const config = await onFreePorts(makeLocalConfig({ shards: 1, replicas: 2, basePort: 1 }))
  const file = join(dir, 'cluster.json')
  writeFileSync(file, serializeClusterConfig(config))
  const env = { VARVE_DATA: folder.path, VARVE_ENDPOINTS: config.coordinator }
  const run = async (...args: string[]) => {
    const result = await varve(args, '', env)
    t.is(result.exitCode, 0, `${args.join(' ')}: ${result.stderr}`)
    return result
  }
  await run('up', '--detach', '--config', file, ...flags)
  return { folder, nodes: nodesOf(config), run }
}

function pidOf(folder: DataFolder, address: string): number | undefined {
  return liveProcess(folder, nodeName(address))?.pid
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`still not true: ${condition}`)
    await delay(50)
  }
}

test.serial(
  'A node that is killed comes back, at once or cleanly ended, and what was written is there',
  async t => {
    const { folder, nodes, run } = await place(t)
    await run('set', 'kept', 'value')
    const [head, tail] = nodes as [string, string]
    const before = pidOf(folder, tail)
    const killed = await run('node', 'kill', 'tail', '-o', 'json')
    t.deepEqual(JSON.parse(killed.stdout), {
      address: tail,
      pid: before,
      clean: false,
      signal: 'SIGKILL',
      roles: [{ shard: 'shard_0', role: 'tail' }],
      restarts: true,
    })
    await until(() => ![before, undefined].includes(pidOf(folder, tail)))
    t.is((await run('get', 'kept', '--timeout', '60s')).stdout, 'value\n')

    const old = pidOf(folder, head)
    const ended = await run('node', 'kill', head, '--clean')
    t.regex(ended.stdout, new RegExp(`^ended ${head} \\(pid ${old}\\): .*; \`varve up\` starts it again\\n$`))
    t.regex(readFileSync(folder.logFile(nodeName(head)), 'utf8'), /"msg":"ended"/)
    await until(() => ![old, undefined].includes(pidOf(folder, head)))
    t.is((await run('get', 'kept', '--timeout', '60s')).stdout, 'value\n')
  },
)

test.serial(
  'A new node is looked after by the supervisor, known to the coordinator, and part of the next start',
  async t => {
    const { folder, run } = await place(t)
    const started = JSON.parse((await run('node', 'start', '--new', '-o', 'json')).stdout)
    t.like(started, {
      new: true,
      supervised: true,
      state: 'alive',
      fault: null,
      pid: pidOf(folder, started.address),
    })
    const listed = JSON.parse((await run('node', 'list', '-o', 'json')).stdout)
    t.like(
      listed.nodes.find((node: { address: string }) => node.address === started.address),
      { state: 'alive', replicas: [] },
    )
    t.like(JSON.parse((await run('status', '-o', 'json')).stdout).idle, [{ address: started.address }])
    t.regex((await run('status')).stdout, new RegExp(`node ${started.address} is in no shard \\(alive\\)`))
    await run('node', 'kill', started.address)
    await until(() => ![started.pid, undefined].includes(pidOf(folder, started.address)))
    await run('down')
    t.deepEqual(liveProcesses(folder), [])
    t.true(nodesOf(readClusterConfig(folder)).includes(started.address))
    await run('up', '--detach')
    t.not(pidOf(folder, started.address), undefined)
  },
)

test.serial(
  'What --no-restart leaves dead is started by hand; without a supervisor it stands alone until down',
  async t => {
    const { folder, nodes, run } = await place(t, '--no-restart')
    const [head, tail] = nodes as [string, string]
    t.regex((await run('node', 'kill', tail)).stdout, /`varve node start 127\.0\.0\.1:\d+` starts it again$/m)
    const again = await varve(['node', 'kill', tail, '--data', folder.path])
    t.is(again.exitCode, 1)
    t.regex(again.stderr, /does not run: `varve node start 127\.0\.0\.1:\d+` starts it/)
    t.regex((await run('node', 'start', tail)).stdout, /runs \(pid \d+\), under `varve up`/)

    // The supervisor alone is killed: what it started goes on, and there is nobody to ask for a start.
    process.kill(liveProcess(folder, SUPERVISOR)!.pid, 'SIGKILL')
    await until(() => liveProcess(folder, SUPERVISOR) === undefined)
    await run('node', 'kill', head)
    const alone = await run('node', 'start', head)
    t.regex(alone.stdout, /runs \(pid \d+\), by itself: `varve down` ends it/)
    const running = await varve(['node', 'start', head, '--data', folder.path])
    t.is(running.exitCode, 3)
    t.regex(running.stderr, /is running already \(pid \d+\)/)
    await run('set', 'still', 'works', '--timeout', '60s')
    t.regex((await run('down')).stdout, /^stopped the coordinator, 2 nodes;/)
    t.deepEqual(liveProcesses(folder), [])
  },
)

test.serial(
  'The loss of its terminal ends a cluster in the foreground in order, and not one in the background',
  async t => {
    const { folder, run } = await place(t)
    const supervisor = liveProcess(folder, SUPERVISOR)!
    process.kill(supervisor.pid, 'SIGHUP')
    await run('set', 'after', 'the terminal')
    t.is(liveProcess(folder, SUPERVISOR)?.pid, supervisor.pid)
    await run('down')
    const foreground = startVarve(['up', '--data', folder.path])
    await until(() => foreground.output.stdout.includes('Ctrl-C stops it'))
    foreground.signal('SIGHUP')
    t.is((await foreground.ended).exitCode, 0)
    t.deepEqual(liveProcesses(folder), [])
  },
)
