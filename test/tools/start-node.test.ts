import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { NodeStatus } from '../../src/generated/varve/v1/cluster.js'
import { makeLocalConfig, nodesOf, serializeClusterConfig } from '../../src/node/cluster-config.js'
import { onFreePorts } from '../../src/node/free-ports.js'
import { CommandError } from '../../tools/exit-codes.js'
import { clusterProcesses, readClusterConfig } from '../../tools/local/cluster-processes.js'
import { DataFolder, nodeName } from '../../tools/local/data-folder.js'
import { withFolderLock } from '../../tools/local/folder-lock.js'
import { endNode, folderOf, nodeByStatus, nodeInFolder } from '../../tools/local/node-process.js'
import { supervision, writePid } from '../../tools/local/pid-file.js'
import { addNode, startNode } from '../../tools/local/start-node.js'
import { requestStart, takeStartRequests, withdrawStart } from '../../tools/local/start-requests.js'
import { tempFolder } from './temp-folder.js'

async function cluster(t: ExecutionContext): Promise<DataFolder> {
  const folder = new DataFolder(tempFolder(t))
  const config = await onFreePorts(makeLocalConfig({ shards: 1, replicas: 2, basePort: 1 }))
  folder.create(serializeClusterConfig(config))
  return folder
}

/** A process that says when it runs, has the arguments given, and ends on SIGTERM unless it is stubborn. */
async function idle(t: ExecutionContext, args: string[], isStubborn = false) {
  const onTerm = isStubborn ? '{}' : 'process.exit(0)'
  const script = `setInterval(() => {}, 1000); process.on('SIGTERM', () => ${onTerm}); console.log(1)`
  const child = spawn(process.execPath, ['-e', script, '--', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child as ChildProcess & { pid: number }
}

test('A new node gets a free port after the others, and is part of the cluster from then on', async t => {
  const folder = await cluster(t)
  const before = readClusterConfig(folder)
  const address = await addNode(folder, undefined)
  const ports = [before.coordinator, ...nodesOf(before)].map(each => Number(each.split(':')[1]))
  t.true(Number(address.split(':')[1]) > Math.max(...ports))
  t.deepEqual(readClusterConfig(folder), { ...before, nodes: [address] })
  t.is(clusterProcesses(folder, readClusterConfig(folder)).at(-1)!.address, address)
})

test('New nodes that are added at the same time all get addresses of their own', async t => {
  const folder = await cluster(t)
  const added = await Promise.all(Array.from({ length: 5 }, () => addNode(folder, undefined)))
  t.is(new Set(added).size, 5)
  t.deepEqual([...readClusterConfig(folder).nodes!].sort(), [...added].sort())
})

test('A port that is taken, and one whose folder holds data already, are passed over', async t => {
  const folder = await cluster(t)
  const first = await addNode(folder, undefined)
  const port = Number(first.split(':')[1])
  const server = createServer().listen(port + 1, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const left = folder.nodeDir(nodeName(`127.0.0.1:${port + 2}`))
  mkdirSync(left, { recursive: true })
  writeFileSync(join(left, 'CURRENT'), '')
  t.true(Number((await addNode(folder, undefined)).split(':')[1]) > port + 2)
  const taken = await t.throwsAsync<CommandError>(addNode(folder, `127.0.0.1:${port + 1}`), {
    message: /is in use: stop what listens there, or choose another address with --address$/,
  })
  t.is(taken?.exitCode, 3)
  await t.throwsAsync(addNode(folder, `127.0.0.1:${port + 2}`), { message: /holds data already/ })
})

test('Two nodes cannot claim one address: the error says what to do, and nothing is changed', async t => {
  const folder = await cluster(t)
  const config = readClusterConfig(folder)
  const [node] = nodesOf(config)
  const before = readFileSync(folder.configFile, 'utf8')
  const refused: [address: string, message: RegExp][] = [
    [
      node!,
      /which is a node of this cluster already: `varve node start .*` starts it with the data that it has$/,
    ],
    [config.coordinator, /which is the coordinator: a node has an address of its own$/],
    ['192.0.2.1:5001', /is no address of this machine/],
  ]
  for (const [address, message] of refused) {
    const error = await t.throwsAsync<CommandError>(addNode(folder, address), {
      instanceOf: CommandError,
      message,
    })
    t.is(error?.exitCode, 2)
  }
  t.is(readFileSync(folder.configFile, 'utf8'), before)
})

test('A node that runs, one that the cluster does not have, and one whose address is taken are not started', async t => {
  const folder = await cluster(t)
  const [running, taken] = nodesOf(readClusterConfig(folder)) as [string, string]
  await t.throwsAsync(startNode(folder, '127.0.0.1:1', 1_000), {
    message:
      /^127\.0\.0\.1:1 is no node of the cluster in .*, which has .*: `varve node start --new --address/,
  })
  const name = nodeName(running)
  const child = await idle(t, ['--address', running, '--data', folder.nodeDir(name)])
  writePid(folder.pidFile(name), child.pid)
  await t.throwsAsync(startNode(folder, running, 1_000), {
    message: `node ${running} is running already (pid ${child.pid})`,
  })
  const server = createServer().listen(Number(taken.split(':')[1]), '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  await t.throwsAsync(startNode(folder, taken, 1_000), {
    message: /is in use: stop what listens there, or start a new/,
  })
  t.false(existsSync(folder.pidFile(nodeName(taken))))
})

test('A request to start a node is taken up once', async t => {
  const folder = await cluster(t)
  t.deepEqual(takeStartRequests(folder), [])
  requestStart(folder, 'h_1')
  requestStart(folder, 'h_1')
  requestStart(folder, 'h_2')
  t.true(folder.isRequested('h_1'))
  t.true(withdrawStart(folder, 'h_2'))
  t.deepEqual(takeStartRequests(folder), ['h_1'])
  t.deepEqual(takeStartRequests(folder), [])
  t.false(withdrawStart(folder, 'h_1'))
})

test('A lock whose holder is gone does not count; one that is held is waited for', async t => {
  const folder = await cluster(t)
  const child = await idle(t, [])
  child.kill('SIGKILL')
  await once(child, 'exit')
  writeFileSync(join(folder.path, 'cluster.lock'), `${child.pid} 12345\n`)
  const order: string[] = []
  const work = (name: string) =>
    withFolderLock(folder, async () => {
      order.push(`${name} begins`)
      await new Promise(setImmediate)
      order.push(`${name} ends`)
    })
  await Promise.all([work('a'), work('b')])
  t.deepEqual([...order].sort(), ['a begins', 'a ends', 'b begins', 'b ends'])
  t.is(order[0]!.charAt(0), order[1]!.charAt(0))
  t.false(existsSync(join(folder.path, 'cluster.lock')))
})

test('A node is found by its pid file or by what it says of itself, and only if its process is that node', async t => {
  const folder = await cluster(t)
  const [address, other] = nodesOf(readClusterConfig(folder)) as [string, string]
  const dataDir = folder.nodeDir(nodeName(address))
  const child = await idle(t, ['--address', address, '--data', dataDir])
  t.is(nodeInFolder(folder, address), undefined)
  writePid(folder.pidFile(nodeName(address)), child.pid)
  writePid(folder.pidFile(nodeName(other)), child.pid)
  t.is(nodeInFolder(folder, address)?.pid, child.pid)
  t.is(nodeInFolder(folder, other), undefined)
  const status = { ...NodeStatus.decode(new Uint8Array()), address, pid: child.pid, dataDir }
  t.is(nodeByStatus(status)?.pid, child.pid)
  t.is(folderOf(nodeByStatus(status)!)?.path, folder.path)
  t.is(nodeByStatus({ ...status, address: other }), undefined)
  t.is(nodeByStatus({ ...status, dataDir: '' }), undefined)
  t.is(nodeByStatus({ ...status, pid: process.pid }), undefined)
})

test('A node is ended at once, or in order; one that is gone is not signalled', async t => {
  const folder = await cluster(t)
  const [address] = nodesOf(readClusterConfig(folder)) as [string]
  const args = ['--address', address, '--data', folder.nodeDir(nodeName(address))]
  for (const [isClean, expected] of [
    [false, [null, 'SIGKILL']],
    [true, [0, null]],
  ] as const) {
    const child = await idle(t, args)
    writePid(folder.pidFile(nodeName(address)), child.pid)
    const ended = once(child, 'exit')
    const found = nodeInFolder(folder, address)!
    await endNode(found, isClean, 10_000)
    t.deepEqual(await ended, [...expected])
    const error = await t.throwsAsync<CommandError>(endNode(found, false, 1), {
      message: /ended before it was/,
    })
    t.is(error?.exitCode, 1)
  }
})

test('A node that does not end in order in time is left alone, and the error says how to end it', async t => {
  const folder = await cluster(t)
  const [address] = nodesOf(readClusterConfig(folder)) as [string]
  const child = await idle(t, ['--address', address, '--data', folder.nodeDir(nodeName(address))], true)
  writePid(folder.pidFile(nodeName(address)), child.pid)
  await t.throwsAsync(endNode(nodeInFolder(folder, address)!, true, 50), {
    message: /is still there: `varve node kill` without --clean ends it at once$/,
  })
  t.is(child.exitCode, null)
  t.is(supervision(folder), 'none')
})
