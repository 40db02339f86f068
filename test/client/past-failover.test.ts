import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { connect } from '../../src/index.js'
import { nullLogger } from '../../src/log/logger.js'
import { makeLocalConfig, nodesOf } from '../../src/node/cluster-config.js'
import { onFreePorts } from '../../src/node/free-ports.js'
import { type RunningNode, startCoordinator, startNode } from '../../src/node/start.js'

const KEYS = 4_000

test('a diff and a blame lose nothing when the nodes that they are read from stop, and say the same after', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'varve-'))
  const config = await onFreePorts(makeLocalConfig({ shards: 2, replicas: 3, basePort: 1 }))
  const running: RunningNode[] = []
  const options = (name: string) => {
    const dataDir = join(folder, name)
    mkdirSync(dataDir)
    return { config, dataDir, logger: nullLogger, onFatal: (message: string) => t.log(message) }
  }
  t.teardown(async () => {
    for (const node of running) await node.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  running.push(await startCoordinator(options('coordinator')))
  const addresses = nodesOf(config)
  for (const address of addresses) running.push(await startNode(address, options(address.replace(':', '-'))))
  await using db = await connect(addresses, { connectTimeoutMs: 30_000, timeoutMs: 60_000 })
  const from = await db.resolve()
  const keys = Array.from({ length: KEYS }, (_, k) => `key${String(k).padStart(6, '0')}`)
  // More than connections and streams hold for a consumer that is slow.
  const value = 'x'.repeat(4_096)
  for (let at = 0; at < KEYS; at += 500) {
    await Promise.all(keys.slice(at, at + 500).map(key => db.set(key, value)))
  }
  const to = await db.resolve()
  const { read } = await readAll(db.diff({ from, to }), async count => {
    if (count === 100) await running[1]!.stop()
    if (count === 2_000) await running[2]!.stop()
  })
  t.deepEqual(read, keys)
  // One of three is left, too few to write: it answers for that moment still.
  t.deepEqual((await readAll(db.diff({ from, to }), async () => {})).read, keys)
  const blamed = await readAll(db.blame({ at: to }), async () => {})
  t.deepEqual(blamed.read, keys)
  t.deepEqual(await db.resolve(to.moment), to)
  t.is(await db.get(keys[0]!, { at: to.moment }), value)
  t.is(await db.get(keys[0]!, { at: from.moment }), undefined)
})

async function readAll(
  items: AsyncIterable<{ key: string }>,
  onCount: (count: number) => Promise<void>,
): Promise<{ read: string[] }> {
  const read: string[] = []
  for await (const { key } of items) {
    read.push(key)
    await onCount(read.length)
  }
  return { read }
}
