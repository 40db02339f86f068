import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../src/client/client.js'
import { type LocalCluster, startLocalCluster } from '../../src/node/local-cluster.js'
import { recordAt } from '../../tools/log-source.js'
import { openOfflineLog } from '../../tools/offline-log.js'
import { openOnlineLog } from '../../tools/online-log.js'
import { runHere } from './run-here.js'
import { tempFolder } from './temp-folder.js'
import { type RunningCommand, startVarve } from './varve-command.js'

/** How long a command may take until it has printed what it is waited for, ms. */
const PATIENCE_MS = 30_000

/** Two shards with a few hundred entries, batches, deletes, two actors, a key that is not UTF-8. */
async function fill(cluster: LocalCluster): Promise<void> {
  const ada = await connect([...cluster.endpoints], { actor: 'ada', keyEncoding: 'buffer' })
  const bob = await connect([...cluster.endpoints], { actor: 'bob' })
  for (let round = 0; round < 10; round++) {
    const writes = Array.from({ length: 20 }, (_, i) =>
      ada.set(Buffer.from(`user/${i}`), `value ${round * 20 + i}`),
    )
    await Promise.all(writes)
  }
  await bob.delete('user/7')
  await bob.batch([
    { type: 'set', key: '{a}1', value: 'x' },
    { type: 'set', key: '{a}2', value: 'y' },
  ])
  await bob.set('café', '☕')
  await ada.set(Buffer.of(0xff, 0x00, 0x0a), 'odd')
  await ada.close()
  await bob.close()
}

/** What is asked of the running cluster, and again of its folder. */
const QUESTIONS: readonly (readonly string[])[] = [
  ['cat', '-o', 'ndjson'],
  ['cat', '--reverse', '--limit', '30'],
  ['cat', '--from', 'index:shard_0/20', '--to', 'index:shard_0/60', '--key', 'user/?', '-o', 'ndjson'],
  ['cat', '--op', 'delete,epoch', '-o', 'ndjson'],
  ['cat', '--actor', 'bob', '--prefix', '{a}'],
  ['stat', '-o', 'json'],
  ['stat', '--shard', 'shard_1', '--from', 'lamport:50'],
  ['cat', '--to', 'lamport:99999'],
  ['cat', '--to', '2001-01-01'],
  ['cat', '--from', 'index:shard_9/1'],
  ['cat', '--from', '//'],
  ['cat', '--client', 'no'],
  ['cat', '--actor', 'bob', '-o', 'ndjson'],
]

/** All answers. */
async function answersOf(before: readonly string[], behind: readonly string[] = []): Promise<string[]> {
  const answers: string[] = []
  for (const question of QUESTIONS) {
    const { exitCode, stdout, stderr } = await runHere([...before, 'log', ...question, ...behind])
    answers.push(`${exitCode}\n${stdout}\n${stderr}`)
  }
  return answers
}

async function printed(t: ExecutionContext, command: RunningCommand, text: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!command.output.stdout.includes(text)) {
    if (performance.now() > deadline) t.fail(`${text} was not printed: ${JSON.stringify(command.output)}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

test.serial('Every log tool gives the same answer on a live cluster and on its stopped folder', async t => {
  t.timeout(200_000)
  const dataDir = join(tempFolder(t), 'data')
  const cluster = await startLocalCluster({ shards: 2, replicas: 2, dataDir })
  t.teardown(() => cluster.close())
  await fill(cluster)
  const endpoints = ['-e', cluster.coordinator]

  const live = await answersOf(endpoints)
  const all = live[0]!.split('\n').filter(line => line.startsWith('{'))
  t.is(all.length, 2 + 200 + 1 + 2 + 1 + 1)
  t.true(all.every(line => JSON.parse(line).committed))
  t.deepEqual(
    live[3]!.split('\n').flatMap(line => (line.startsWith('{') ? [JSON.parse(line).operation] : [])),
    ['epoch', 'epoch', 'delete'],
  )
  t.is(live[4]!.match(/\{a\}/g)?.length, 2)
  t.regex(live[7]!, /^2\n\n.*--to: "lamport:99999" is in the future: the newest entry is shard_\d\/\d+ of 20/)
  t.regex(live[8]!, /^2\n\n.*--to: "2001-01-01" is before the first entry, which is shard_0\/1 of 20/)
  t.regex(live[9]!, /^2\n\n.*shard "shard_9" given, the cluster has shard_0, shard_1/)
  t.regex(live[10]!, /^2\n\n.*--from: "\/\/" given, allowed is start, now/)
  t.regex(live[11]!, /^2\n\n.*--client: "no" given/)
  const byBob = all.filter(line => JSON.parse(line).actor === 'bob')
  t.true(byBob.length > 0 && byBob.length < all.length)
  t.deepEqual(
    live[12]!.split('\n').filter(line => line.startsWith('{')),
    byBob,
  )

  const verified = JSON.parse((await runHere([...endpoints, 'log', 'verify', '--all', '-o', 'json'])).stdout)
  t.true(verified.ok)
  t.is(verified.copies.length, 4)
  t.is(verified.entries, 2 * all.length)

  // Whoever follows sees what is committed from now on, and Ctrl-C is the ordinary end.
  const following = startVarve([...endpoints, 'log', 'tail', '-n', '2', '--prefix', 'late/'])
  const db = await connect([...cluster.endpoints])
  for (let round = 0; !following.output.stdout.includes('late/'); round++) {
    await db.set(`late/${round}`, 'news')
    await new Promise(resolve => setTimeout(resolve, 100))
    if (round > PATIENCE_MS / 100) t.fail(JSON.stringify(following.output))
  }
  await db.set('other', 'not asked for')
  await db.set('late/last', 'the last')
  await printed(t, following, 'late/last the last')
  t.notRegex(following.output.stdout, /not asked for/)
  following.signal('SIGINT')
  t.is((await following.ended).exitCode, 0)
  await db.close()

  // A live process holds the folder, and that is said.
  const held = await runHere(['log', 'cat', '--data', dataDir])
  t.is(held.exitCode, 3)
  t.regex(held.stderr, /^varve: .*in use by another process/)

  const liveAgain = await answersOf(endpoints)
  await cluster.close()
  const offline = await answersOf([], ['--data', dataDir])
  for (const [at, question] of QUESTIONS.entries()) t.is(offline[at], liveAgain[at], question.join(' '))
  const checked = JSON.parse((await runHere(['log', 'verify', '--data', dataDir, '-o', 'json'])).stdout)
  t.true(checked.ok)
  t.is(checked.copies.length, 4)
})

test.serial('Both sources hand out the same records, by any part of a log', async t => {
  const dataDir = join(tempFolder(t), 'data')
  const cluster = await startLocalCluster({ shards: 1, replicas: 1, dataDir })
  t.teardown(() => cluster.close())
  await fill(cluster)
  const options = { endpoints: cluster.endpoints, output: 'json', timeout: 10_000 } as const
  const read = async (source: Awaited<ReturnType<typeof openOnlineLog>>) => {
    const found: string[] = []
    const info = await source.logInfo('shard_0')
    for (const [from, to] of [
      [0, 0],
      [1, 1],
      [50, 60],
      [info.lastIndex, 0],
    ] as const) {
      for await (const { firstIndex, lastIndex, hash } of source.records('shard_0', from, to)) {
        found.push(`${firstIndex}-${lastIndex} ${hash.toString('hex')}`)
      }
    }
    found.push(String((await recordAt(source, 'shard_0', 55))?.firstIndex))
    found.push(String(await recordAt(source, 'shard_0', info.lastIndex + 1)))
    const { logId, baseIndex, lastIndex, commitIndex } = info
    found.push(
      JSON.stringify({ logId, baseIndex, lastIndex, commitIndex, base: await source.baseBlob('shard_0') }),
    )
    await source.close()
    return found
  }
  const live = await read(await openOnlineLog(options, undefined))
  await cluster.close()
  t.deepEqual(await read(await openOfflineLog(dataDir, undefined, undefined)), live)
})
