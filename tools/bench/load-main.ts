/** The load generator's process: keeps a system under load in a closed loop. */

import { serveRequests } from '../worker/worker.js'
import { runAll, runClosedLoop } from './closed-loop.js'
import type { CheckRequest, FillRequest, LoadRequest, RunAnswer, RunRequest } from './load-protocol.js'
import { connectTarget, type Target } from './targets.js'
import { makeKeys, Random, ValuePool } from './workload.js'

interface Load {
  readonly target: Target
  readonly keys: readonly string[]
  readonly values: ValuePool
}

let keys: readonly string[] = []
let values = new ValuePool(0)
let target: Target | undefined

async function handle(request: LoadRequest, emit: (event: unknown) => void): Promise<unknown> {
  if (request.kind === 'prepare') {
    keys = makeKeys(request.keys)
    values = new ValuePool(request.valueSizeBytes)
    return undefined
  }
  if (request.kind === 'connect') {
    target = await connectTarget(request.system, request.endpoints)
    return undefined
  }
  if (target === undefined) throw new Error('not connected')
  const load: Load = { target, keys, values }
  if (request.kind === 'fill') return fill(load, request)
  if (request.kind === 'check') return check(load, request)
  return run(load, request, emit)
}

function fill({ target, keys, values }: Load, request: FillRequest): Promise<void> {
  const write = target.writer('strong')
  return runAll(request.keys, request.outstanding, number => write(keys[number]!, values.at(number)))
}

async function run(load: Load, request: RunRequest, emit: (event: unknown) => void): Promise<RunAnswer> {
  const { keys, values, target } = load
  const random = new Random(request.seed)
  const count = request.keys
  let issue: () => Promise<unknown>
  if (request.operation === 'write') {
    const write = target.writer(request.level === 'strong' ? 'strong' : 'weak')
    let writes = 0
    issue = () => write(keys[random.below(count)]!, values.at(writes++))
  } else {
    const read = target.reader(request.level)
    issue = () => read(keys[random.below(count)]!)
  }
  const { outstanding, warmUpMs, windowMs } = request
  const onWindow = () => emit({ kind: 'window' })
  const result = await runClosedLoop({ outstanding, warmUpMs, windowMs, issue, onWindow })
  return { ...result, rssBytes: process.memoryUsage.rss() }
}

async function check({ target, keys, values }: Load, request: CheckRequest): Promise<number> {
  const { keys: count, samples } = request
  const read = target.reader('strong')
  let wrong = 0
  await runAll(samples, 64, async sample => {
    const number = Math.floor((sample * count) / samples)
    const value = await read(keys[number]!)
    if (value === undefined || !values.at(number).equals(value)) wrong++
  })
  return wrong
}

serveRequests(handle)
