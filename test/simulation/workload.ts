/** What the simulated applications do: they write and read a few keys, each in its own mix, and note what came of it. */
import type { ReadResult, VarveClient } from '../../src/client/client.js'
import { VarveError } from '../../src/client/errors.js'
import type { At } from '../../src/client/moment.js'
import type { WriteResult } from '../../src/client/write-op.js'
import type { Random } from '../../tools/random.js'
import type { History, Look, Operation } from './history.js'
import type { ClientShape, Habit } from './shape.js'
import type { Application } from './world/client-process.js'
import type { Schedule } from './world/schedule.js'
import type { Trace } from './world/trace.js'

/** How long a healed cluster may take to answer, ms. */
const PROBE_TIMEOUT_MS = 20_000

/** So many moments are asked for again at the end. */
const LOOKS_AGAIN_MAX = 30

type Client = VarveClient<string, string>

/** What one call asks for, as the history has it. */
type Asked = Pick<Operation, 'type' | 'key' | 'value' | 'consistency'>

export interface WorkloadOptions {
  readonly shape: ClientShape
  readonly keys: readonly string[]
  /** Addresses of the nodes. */
  readonly nodes: readonly string[]
  readonly random: Random
  readonly history: History
  readonly schedule: Schedule
  readonly trace: Trace
}

/** An application that does what its shape says, `width` operations at a time. */
export function applicationOf(options: WorkloadOptions): Application {
  return (client, isOver) =>
    Array.from({ length: options.shape.width }, () => new Worker(options, client).work(isOver))
}

/** An application that writes and reads every key once: with everything healed all of it must be answered. */
export function probeOf(options: WorkloadOptions): Application {
  return client => [new Worker(options, client).probe()]
}

class Worker {
  readonly #options: WorkloadOptions
  readonly #client: Client
  /** Of this life of the client: another one has seen nothing. */
  readonly #name: string
  #lastIndex = 0
  #lastLamport = 1
  #isProbe = false

  constructor(options: WorkloadOptions, client: Client) {
    this.#options = options
    this.#client = client
    this.#name = options.schedule.current?.name ?? options.shape.name
  }

  async work(isOver: () => boolean): Promise<void> {
    const { random, shape } = this.#options
    while (!isOver()) {
      await this.#do(random.weighted(shape.weights))
      await new Promise(resolve => setTimeout(resolve, 1 + random.next() * 2 * shape.pauseMs))
    }
  }

  async probe(): Promise<void> {
    this.#isProbe = true
    for (const key of this.#options.keys) {
      await this.#set(key, 'strong')
      await this.#get(key, 'strong')
    }
    await this.#lookAgain()
  }

  /** What was asked of the past before, some of it: only retention may have made an answer impossible since. */
  async #lookAgain(): Promise<void> {
    const { history, random } = this.#options
    for (const { resolved, key } of random.shuffled(history.looks).slice(0, LOOKS_AGAIN_MAX)) {
      const fault = await this.#look(resolved.moment, key)
      if (fault !== undefined && fault.code !== 'OUT_OF_RETENTION') throw fault
    }
  }

  async #do(habit: Habit): Promise<void> {
    const { random, keys } = this.#options
    const key = random.pick(keys)
    switch (habit) {
      case 'set strong':
      case 'set weak':
        return this.#set(key, habit === 'set strong' ? 'strong' : 'weak')
      case 'delete':
        return this.#delete(key)
      case 'set if':
        return this.#setIf(key)
      case 'batch':
        return this.#batch()
      case 'get strong':
        return this.#get(key, 'strong')
      case 'get weak':
        return this.#get(key, 'weak')
      case 'get session':
        return this.#get(key, 'session')
      case 'get strong at a replica':
        return this.#get(key, 'strong', random.pick(this.#options.nodes))
      case 'look back':
        return this.#lookBack(key)
    }
  }

  /** At a moment of lately, or at one that somebody asked for before: what was answered then must be the answer now. */
  async #lookBack(key: string): Promise<void> {
    const { random, history } = this.#options
    const before = history.looks.length > 0 && random.chance(0.4) ? random.pick(history.looks) : undefined
    const ago = random.pick([0, 1, 10, 100, 1_000])
    const at = random.chance(0.5)
      ? { wallMs: Date.now() - Math.floor(random.next() * (ago + 1)) }
      : { lamport: Math.max(1, this.#lastLamport - Math.floor((random.next() * ago) / 10)) }
    await this.#look(before?.resolved.moment ?? at, random.chance(0.3) ? key : undefined)
  }

  /** Asks for all keys at a moment, or for one. Resolves to why that could not be. */
  async #look(at: At, key: string | undefined): Promise<VarveError | undefined> {
    const { history, trace } = this.#options
    const timeoutMs = this.#timeoutMs()
    try {
      const resolved = await this.#client.resolve(at, { timeoutMs })
      let { cuts } = resolved
      const shown = new Map<string, string>()
      if (key === undefined) {
        for await (const item of this.#client.scan({ at: resolved, timeoutMs }))
          shown.set(item.key, item.value!)
      } else {
        // By the moment, so that the shard is closed by the read itself.
        const read = await this.#client.getEntry(key, { at: resolved.moment, timeoutMs })
        if (read.found) shown.set(key, read.value!)
        cuts = { ...cuts, [read.shard]: read.cut! }
      }
      const look: Look = { client: this.#name, resolved: { ...resolved, cuts }, key, shown }
      history.looks.push(look)
      trace.count(`look back: ${key === undefined ? 'scan' : 'get'}`)
      history.onLooked(look)
      return undefined
    } catch (error) {
      const fault = faultOf(error)
      trace.count(`look back: ${fault.code}`)
      return fault
    }
  }

  /** A value that nobody ever writes again. */
  #value(): string {
    return `v${this.#options.history.nextId()}`
  }

  async #set(key: string, consistency: 'strong' | 'weak'): Promise<void> {
    const value = this.#value()
    await this.#write([{ type: 'set', key, value, consistency }], async () => [
      await this.#client.set(key, value, { consistency, timeoutMs: this.#timeoutMs() }),
    ])
  }

  async #delete(key: string): Promise<void> {
    const consistency = 'strong'
    await this.#write([{ type: 'delete', key, value: null, consistency }], async () => [
      await this.#client.delete(key, { consistency, timeoutMs: this.#timeoutMs() }),
    ])
  }

  async #setIf(key: string): Promise<void> {
    const { random } = this.#options
    const value = this.#value()
    const condition = random.chance(0.5) ? { ifAbsent: true } : { ifIndex: this.#lastIndex }
    const consistency = 'strong'
    await this.#write([{ type: 'set', key, value, consistency }], async () => [
      await this.#client.set(key, value, { consistency, timeoutMs: this.#timeoutMs(), ...condition }),
    ])
  }

  async #batch(): Promise<void> {
    const { random } = this.#options
    const consistency = random.pick(['strong', 'weak'] as const)
    const asked = ['{a}1', '{a}2', '{a}3']
      .slice(0, 2 + random.below(2))
      .map(key => ({ type: 'set' as const, key, value: this.#value(), consistency }))
    await this.#write(asked, async () => {
      const { results } = await this.#client.batch(
        asked.map(({ type, key, value }) => ({ type, key, value })),
        { consistency, timeoutMs: this.#timeoutMs() },
      )
      return results
    })
  }

  async #write(asked: readonly Asked[], call: () => Promise<readonly WriteResult<string>[]>): Promise<void> {
    const { history, schedule } = this.#options
    const invokedAt = history.tick()
    const invokedMs = schedule.nowMs
    // Noted at once: a process that dies never hears what became of it.
    const places = asked.map(one => {
      history.operations.push({ ...this.#open(one, invokedMs, invokedAt), outcome: 'unknown' })
      return history.operations.length - 1
    })
    const settle = (change: (at: number) => Partial<Operation>) => {
      const returned = { returnedMs: schedule.nowMs, returnedAt: history.tick() }
      places.forEach((place, at) => {
        const before = history.operations[place]!
        const operation = { ...before, ...returned, ...change(at) }
        history.operations[place] = operation
        this.#returned(operation)
      })
    }
    try {
      const results = await call()
      settle(at => {
        const { epoch, index, lamport, shard, committed, applied } = results[at]!
        this.#lastIndex = index
        this.#lastLamport = lamport
        return { outcome: 'ok', applied, position: { shard, epoch, index, lamport, committed } }
      })
    } catch (error) {
      const fault = faultOf(error)
      settle(() => ({ outcome: fault.outcome === 'failed' ? 'failed' : 'unknown', error: textOf(fault) }))
    }
  }

  async #get(
    key: string,
    consistency: 'strong' | 'weak' | 'session',
    replica: string | undefined = undefined,
  ): Promise<void> {
    const { history, schedule } = this.#options
    const invokedAt = history.tick()
    const open = this.#open({ type: 'get', key, value: null, consistency }, schedule.nowMs, invokedAt)
    let end: Partial<Operation>
    try {
      const options = { consistency, replica, timeoutMs: this.#timeoutMs() }
      const result: ReadResult<string> = await this.#client.getEntry(key, options)
      const { found, value, shard, epoch, index, lamport, committed, node } = result
      this.#lastIndex = index
      this.#lastLamport = Math.max(1, lamport)
      const position = { shard, epoch, index, lamport, committed }
      end = { outcome: 'ok', value: found ? (value ?? '') : null, position, node }
    } catch (error) {
      end = { outcome: 'failed', error: textOf(faultOf(error)) }
    }
    const operation = { ...open, ...end, returnedMs: schedule.nowMs, returnedAt: history.tick() }
    history.operations.push(operation)
    this.#returned(operation)
  }

  #timeoutMs(): number {
    return this.#isProbe ? PROBE_TIMEOUT_MS : this.#options.random.pick([600, 2_000, 4_000, 8_000])
  }

  #open(asked: Asked, invokedMs: number, invokedAt: number): Operation {
    return {
      client: this.#name,
      id: this.#options.history.nextId(),
      ...asked,
      invokedMs,
      invokedAt,
      returnedMs: null,
      returnedAt: null,
      outcome: 'unknown',
      applied: true,
      position: null,
      node: null,
      error: null,
    }
  }

  #returned(operation: Operation): void {
    const { trace, shape, history } = this.#options
    const { type, key, value, consistency, outcome, position, error } = operation
    trace.count(`operation: ${type} ${consistency} ${outcome}`)
    history.onReturned(operation)
    trace.detail(
      () =>
        `${shape.name}: ${type} ${key} ${value ?? '-'} ${consistency}: ${outcome} ` +
        (position === null ? (error ?? '') : `at ${position.shard} e${position.epoch} ${position.index}`),
    )
  }
}

function faultOf(error: unknown): VarveError {
  if (error instanceof VarveError) return error
  throw error
}

function textOf({ code, message }: VarveError): string {
  return `${code}: ${message}`
}
