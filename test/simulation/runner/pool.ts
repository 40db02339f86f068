/** Spreads seeds over processes and adds up what they found. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { realTimeMs } from '../world/virtual-globals.js'
import type { SeedAnswer, SeedRequest, SeedSettings } from './messages.js'

export interface Failure {
  readonly seed: number
  readonly reason: string
}

export interface PoolOptions extends SeedSettings {
  readonly jobs: number
  readonly from: number
  readonly seeds: number
  /** No new seed is begun after this much real time, ms. */
  readonly budgetMs: number
  /** After so many failures no new seed is begun. */
  readonly failuresMax: number
  /** The compiled worker; another build's, where a mutant is tried. */
  readonly worker?: string
  readonly onAnswer?: (answer: SeedAnswer) => void
}

export interface Totals {
  seeds: number
  simulatedMs: number
  realMs: number
  events: number
  operations: number
  readonly counts: Map<string, number>
  readonly failures: Failure[]
}

/** A seed that takes longer is stuck: its process is ended, the seed has failed. Real time, ms. */
const SEED_MS_MAX = 120_000

const OWN_WORKER = fileURLToPath(new URL('./worker-main.js', import.meta.url))

/** Resolves when all are done. */
export async function runSeeds(options: PoolOptions): Promise<Totals> {
  const startedMs = realTimeMs()
  const totals: Totals = {
    seeds: 0,
    simulatedMs: 0,
    realMs: 0,
    events: 0,
    operations: 0,
    counts: new Map(),
    failures: [],
  }
  let next = options.from
  const take = (): number | undefined => {
    const isOver =
      next >= options.from + options.seeds ||
      realTimeMs() - startedMs >= options.budgetMs ||
      totals.failures.length >= options.failuresMax
    if (isOver) return undefined
    next += 1
    return next - 1
  }
  const worker = options.worker ?? OWN_WORKER
  const jobs = Math.min(options.jobs, options.seeds)
  await Promise.all(Array.from({ length: jobs }, () => work(worker, options, take, totals)))
  totals.realMs = realTimeMs() - startedMs
  totals.failures.sort((one, other) => one.seed - other.seed)
  return totals
}

async function work(
  worker: string,
  options: PoolOptions,
  take: () => number | undefined,
  totals: Totals,
): Promise<void> {
  let child: ChildProcess | undefined
  for (let seed = take(); seed !== undefined; seed = take()) {
    child ??= fork(worker, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const answer = await ask(child, { seed, without: options.without, theme: options.theme })
    if (answer.isDead) child = undefined
    add(totals, answer)
    options.onAnswer?.(answer)
  }
  child?.disconnect()
}

function ask(child: ChildProcess, request: SeedRequest): Promise<SeedAnswer & { readonly isDead?: boolean }> {
  return new Promise(resolve => {
    const nothing = { seed: request.seed, simulatedMs: 0, events: 0, operations: 0, counts: [] }
    const end = (answer: SeedAnswer & { readonly isDead?: boolean }) => {
      clearTimeout(timer)
      child.removeAllListeners()
      resolve(answer)
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      end({ ...nothing, failure: `no end within ${SEED_MS_MAX} ms of real time`, isDead: true })
    }, SEED_MS_MAX)
    child.once('message', (answer: SeedAnswer) => end(answer))
    child.once('exit', code => end({ ...nothing, failure: `the worker ended with ${code}`, isDead: true }))
    child.send(request)
  })
}

function add(totals: Totals, { seed, failure, simulatedMs, events, operations, counts }: SeedAnswer): void {
  totals.seeds += 1
  totals.simulatedMs += simulatedMs
  totals.events += events
  totals.operations += operations
  for (const [what, count] of counts) totals.counts.set(what, (totals.counts.get(what) ?? 0) + count)
  if (failure !== undefined) totals.failures.push({ seed, reason: failure })
}
