/**
 * A client process of a chaos run: sends requests until its standard input ends, then waits for those in flight, and
 * leaves its history in a file.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '../../src/client/client.js'
import { HistoryWriter } from '../../tools/history/history-file.js'
import { RecordingClient } from '../../tools/history/recording-client.js'
import { Random } from '../../tools/random.js'
import { type ClientOrders, planOperation } from './workload.js'

const orders = JSON.parse(process.argv[2] ?? '') as ClientOrders

/** Longer than any request may take. */
const LAST_WAIT_MS = 20_000

const client = await connect([...orders.endpoints], { consistency: 'strong', connectTimeoutMs: 60_000 })
const writer = new HistoryWriter(orders.historyFile, 'CLOCK_MONOTONIC, ms', { client: orders.name })
const recorded = new RecordingClient(client, { name: orders.name, sink: writer, consistency: 'strong' })
let isEnding = false
let lastValue = 0

process.stdin.resume()
process.stdin.once('end', () => {
  isEnding = true
})
// The parent is gone: so is the use of this.
process.stdin.once('error', () => process.exit(1))

const flushing = setInterval(() => writer.flush(), 500)
const workers = Array.from({ length: orders.workers }, (_, at) =>
  work(new Random(orders.seed, `worker ${at}`), at === 0),
)
process.stdout.write('ready\n')
await Promise.race([
  Promise.all(workers),
  whenEnding().then(() => delay(LAST_WAIT_MS, undefined, { ref: false })),
])
clearInterval(flushing)
await client.close()
recorded.close()
writer.close()
process.exit(0)

async function work(own: Random, isWeakOnly: boolean): Promise<void> {
  while (!isEnding) {
    const { type, key, consistency, timeoutMs, pauseMs } = planOperation(own, isWeakOnly)
    const options = { consistency, timeoutMs }
    try {
      if (type === 'get') {
        await recorded.getEntry(key, options)
      } else if (type === 'delete') {
        await recorded.delete(key, options)
      } else {
        lastValue += 1
        await recorded.set(key, `${orders.name}/${lastValue}`, options)
      }
    } catch {
      // It is in the history.
    }
    await delay(pauseMs)
  }
}

async function whenEnding(): Promise<void> {
  while (!isEnding) await delay(50, undefined, { ref: false })
}
