/** What a process says, and how it ends, when what it was given cannot work. Nothing is lost by it. */
import { readdirSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { connect } from '../../src/client/client.js'
import { ExitCode } from '../../src/node/exit-code.js'
import { flipBitIn } from './support/damage.js'
import { TestCluster, TestProcess, until } from './support/processes.js'

function mainArguments(cluster: TestCluster, address: string, data: string): string[] {
  const { coordinator } = cluster.config
  return [
    '--address',
    address,
    '--coordinator',
    coordinator,
    '--config',
    join(cluster.dir, 'cluster.json'),
    '--data',
    data,
  ]
}

/** The line on stderr that says why. */
function lastLine(process: TestProcess): string {
  return process.complaint.trim().split('\n').at(-1)!
}

test('an address in use, a data folder in use, an unknown address: one line and an exit code each', async t => {
  const cluster = await TestCluster.start(t, { replicas: 1 })
  const [node] = cluster.nodes
  const start = async (address: string, data: string) => {
    const process = new TestProcess(address, data, 'node-main.js', mainArguments(cluster, address, data))
    process.start()
    return { code: await process.ended(), line: lastLine(process) }
  }
  const taken = await start(node!.address, join(cluster.dir, 'elsewhere'))
  t.is(taken.code, ExitCode.UNAVAILABLE)
  t.regex(taken.line, new RegExp(`^address in use: ${node!.address}`))

  const locked = await start(node!.address, node!.dataDir)
  t.is(locked.code, ExitCode.UNAVAILABLE)
  t.regex(locked.line, /in use|locked/)

  const unknown = await start('127.0.0.1:1', join(cluster.dir, 'nowhere'))
  t.is(unknown.code, ExitCode.BAD_USAGE)
  t.regex(unknown.line, /127\.0\.0\.1:1 holds no shard/)
  await using client = await connect(cluster.endpoints)
  await client.set('still', 'here')
  t.is(await client.get('still'), 'here')
})

test("a data folder of another cluster is refused, and keeps that cluster's data", async t => {
  const [one, other] = await Promise.all([
    TestCluster.start(t, { replicas: 1 }),
    TestCluster.start(t, { replicas: 1 }),
  ])
  const client = await connect(other!.endpoints)
  await client.set('whose', 'theirs')
  await client.close()
  const [node] = other!.nodes
  await node!.end('SIGTERM')
  const [own] = one!.nodes
  await own!.end('SIGKILL')
  const stranger = new TestProcess(
    own!.address,
    node!.dataDir,
    'node-main.js',
    mainArguments(one!, own!.address, node!.dataDir),
  )
  stranger.start()
  t.not(await stranger.ended(), 0)
  t.regex(lastLine(stranger), /holds data of cluster [0-9a-f]+, but the coordinator .* is of cluster/)
  node!.start()
  await other!.ready()
  await using again = await connect(other!.endpoints)
  t.is(await again.get('whose'), 'theirs')
})

test('the only copy of a shard, damaged, is set aside as a whole; the shard waits and is not served empty', async t => {
  const cluster = await TestCluster.start(t, { replicas: 1 })
  const client = await connect(cluster.endpoints, { timeoutMs: 30_000 })
  const value = 'v'.repeat(20_000)
  for (let at = 0; at < 50; at += 1) await client.set(`key-${at}`, `${value}${at}`)
  await client.close()
  const [node] = cluster.nodes
  await node!.end('SIGKILL')
  flipBitIn(node!.dataDir, Buffer.from('v'.repeat(5_000)))
  node!.start()
  await until('it serves', async () => {
    if (!node!.output.includes('"msg":"serving"')) throw new Error(node!.output)
  })
  t.regex(
    node!.output,
    /the data folder is damaged \(.*\): it was renamed to .*node-1\.damaged-.* waits for an operator/,
  )
  t.is(readdirSync(cluster.dir).filter(name => name.startsWith('node-1.damaged-')).length, 1)
  await using again = await connect([cluster.config.coordinator], { timeoutMs: 3_000 })
  await until('the shard waits', async () => {
    const [shard] = (await again.shardMap()).shards
    if (shard?.status === 'ACTIVE') throw new Error(JSON.stringify(shard))
  })
  const error = await t.throwsAsync(again.get('key-1'))
  t.regex(error!.message, /UNAVAILABLE|no head now/)
  t.true(node!.isRunning)
})

test('a connection that talks nonsense or breaks off harms nobody else', async t => {
  const cluster = await TestCluster.start(t, { replicas: 1 })
  const [host, port] = cluster.endpoints[0]!.split(':')
  const sockets = Array.from({ length: 20 }, () => new Socket().on('error', () => {}))
  for (const [at, socket] of sockets.entries()) {
    socket.connect(Number(port), host!)
    socket.write(at % 2 === 0 ? 'GET / HTTP/1.1\r\n\r\n' : Buffer.alloc(10_000, at))
  }
  await using client = await connect(cluster.endpoints)
  for (let at = 0; at < 100; at += 1) await client.set('k', String(at))
  t.is(await client.get('k'), '99')
  for (const socket of sockets) socket.destroy()
  t.true(cluster.nodes[0]!.isRunning)
})

test('a client that nobody answers says so within its time', async t => {
  const accepted: Socket[] = []
  const server = createServer(socket => accepted.push(socket)).listen(0, '127.0.0.1')
  t.teardown(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  await until('it listens', async () => {
    if (!server.listening) throw new Error('not yet')
  })
  const { port } = server.address() as { port: number }
  const error = await t.throwsAsync(connect(`127.0.0.1:${port}`, { timeoutMs: 500, connectTimeoutMs: 500 }))
  t.regex(error!.message, new RegExp(`127.0.0.1:${port}`))
  t.false(error!.message.includes('\n'))
})
