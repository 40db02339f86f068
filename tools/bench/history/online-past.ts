/** Reads of the past as an application does them: a client in this process, the cluster in processes of its own. */

import { connect, type VarveClient } from '../../../src/client/client.js'
import { Inspector } from '../../../src/client/inspector.js'
import { nodesOf } from '../../../src/node/cluster-config.js'
import { unavailable } from '../../exit-codes.js'
import { clusterProcesses } from '../../local/cluster-processes.js'
import { waitUntilReady } from '../../local/ready.js'
import { Supervisor } from '../../local/supervisor.js'
import type { Cleanup } from '../cleanup.js'
import { LatencyRecorder } from '../latency.js'
import { hookArguments, profileArguments } from '../node-arguments.js'
import { keyOf, Random } from '../workload.js'
import type { FigureName } from './figures.js'
import type { HistoryFolder } from './history-folder.js'
import { watchedKey } from './history-log.js'

const READY_TIMEOUT_MS = 120_000
const TIMEOUT_MS = 60_000
const GETS_MAX = 2_000
/** Long enough for the node to make the views that such reads begin at. */
const GETS_WARM_UP_MAX = 8_000
const HISTORIES_WARM_UP = 20
const HISTORIES_A_ROUND = 5
const DIFF_APART_MS = 60_000
const SCAN_LIMIT = 100

/** Measurements by the name of their figure. */
export type Measured = Partial<Record<FigureName, number[]>>

/** Starts the cluster in the folder, reads its past in so many rounds, and ends it. */
export async function measureOnline(
  folder: HistoryFolder,
  rounds: number,
  cleanup: Cleanup,
  profile: string | undefined,
): Promise<Measured> {
  const specs = clusterProcesses(folder.folder, folder.config).map(spec => ({
    ...spec,
    args: [...hookArguments(), ...profileArguments(profile, `history-${spec.name}`), ...spec.args],
  }))
  const noEvents = { started: () => {}, notice: () => {} }
  const supervisor = new Supervisor(folder.folder, specs, false, noEvents)
  const forget = cleanup.onExit(() => supervisor.signalAll('SIGKILL'))
  try {
    const begun = performance.now()
    await supervisor.start(signal => untilServing(folder, signal))
    const nodeStart = performance.now() - begun
    const client = await connect(nodesOf(folder.config), {
      keyEncoding: 'utf8',
      valueEncoding: 'buffer',
      timeoutMs: TIMEOUT_MS,
    })
    try {
      return { nodeStart: [nodeStart], ...(await readPast(folder, client, rounds)) }
    } finally {
      await client.close()
    }
  } finally {
    await supervisor.stop()
    forget()
  }
}

async function untilServing({ config }: HistoryFolder, signal: AbortSignal): Promise<void> {
  const inspector = new Inspector({ timeoutMs: TIMEOUT_MS })
  try {
    const waits = { shardCount: 1, waitMs: READY_TIMEOUT_MS, signal, onActive: () => {} }
    await waitUntilReady({ inspector, coordinator: config.coordinator, ...waits })
  } finally {
    inspector.close()
  }
}

type PastClient = VarveClient<string, Buffer>

async function readPast(folder: HistoryFolder, client: PastClient, rounds: number): Promise<Measured> {
  const { entries, versions } = folder.shape
  const random = new Random(1)
  const gets = Math.min(GETS_MAX, Math.ceil(entries / 10))
  await getAtRandom(folder, client, Math.min(GETS_WARM_UP_MAX, 4 * gets), random)
  for (let done = 0; done < HISTORIES_WARM_UP; done++) await readHistory(client, versions)
  const getP50: number[] = []
  const getP99: number[] = []
  const history: number[] = []
  const diff: number[] = []
  const scanFirst: number[] = []
  const scanAgain: number[] = []
  for (let round = 0; round < rounds; round++) {
    const latencies = await getAtRandom(folder, client, gets, random)
    getP50.push(latencies.percentileUs(50) / 1_000)
    getP99.push(latencies.percentileUs(99) / 1_000)
    for (let done = 0; done < HISTORIES_A_ROUND; done++) {
      history.push(await timed(() => readHistory(client, versions)))
    }
    const apartMs = minuteOf(folder)
    const from = momentIn(folder, random, apartMs)
    diff.push(await timed(() => readDiff(client, from, from + apartMs)))
    const at = momentIn(folder, random)
    scanFirst.push(await timed(() => readPage(client, at)))
    scanAgain.push(await timed(() => readPage(client, at)))
  }
  return { getP50, getP99, history, diff, scanFirst, scanAgain }
}

/** How far apart the moments of a diff are, ms: a minute, or a part of what there is. */
export function minuteOf({ startMs, endMs }: HistoryFolder): number {
  return Math.min(DIFF_APART_MS, Math.floor((endMs - startMs) / 4))
}

/** One after the other, of keys and moments that are drawn anew each time. */
async function getAtRandom(
  folder: HistoryFolder,
  client: PastClient,
  count: number,
  random: Random,
): Promise<LatencyRecorder> {
  const latencies = new LatencyRecorder()
  for (let done = 0; done < count; done++) {
    const key = keyOf(random.below(folder.shape.keys))
    const at = momentIn(folder, random)
    const begun = performance.now()
    await client.get(key, { at })
    latencies.record(performance.now() - begun)
  }
  return latencies
}

/** Epoch ms, at least `beforeEndMs` before the last entry. */
function momentIn({ startMs, endMs }: HistoryFolder, random: Random, beforeEndMs = 1): number {
  return startMs + random.below(Math.max(1, Math.floor(endMs - startMs - beforeEndMs)))
}

async function readHistory(client: PastClient, versions: number): Promise<void> {
  let count = 0
  for await (const _ of client.history(watchedKey)) count++
  if (count !== versions) throw unavailable(`${watchedKey} has ${count} entries, expected ${versions}`)
}

async function readDiff(client: PastClient, from: number, to: number): Promise<void> {
  let count = 0
  for await (const _ of client.diff({ from, to })) count++
  if (count === 0) throw unavailable(`nothing differs between ${from} and ${to}`)
}

async function readPage(client: PastClient, at: number): Promise<void> {
  for await (const _ of client.scan({ at, limit: SCAN_LIMIT }));
}

async function timed(run: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}
