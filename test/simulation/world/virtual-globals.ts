/**
 * Clocks, timers and chance as the code under test finds them: while a simulation runs, the globals and the modules of
 * Node that it takes them from answer out of virtual time and out of the seed. Import this before any code under test.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'
import type { Random } from '../../../tools/random.js'
import { EPOCH_MS, type Life, type Schedule, type Ticket } from './schedule.js'

/** What the globals stand on at the moment. */
export interface VirtualWorld {
  readonly schedule: Schedule
  /** What the code under test takes for chance. */
  readonly chance: Random
  /** Free bytes on the disk of this folder. */
  freeBytes(dir: string): number
}

/** Where chance comes from while modules are loaded, before there is a simulation. */
let loadCounter = 1
let world: VirtualWorld | undefined

const real = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate }
const realNow = Date.now
const realPerformanceNow = performance.now.bind(performance)

/** Monotonic real time, ms: for the simulator's own report. */
export function realTimeMs(): number {
  return realPerformanceNow()
}

/** From now on the globals belong to this simulation; to nobody, where none is given. */
export function enter(next: VirtualWorld | undefined): void {
  world = next
}

/** A timer as Node has it, as far as anybody here asks for. */
class VirtualTimer {
  ticket: Ticket | undefined
  readonly world: VirtualWorld

  constructor(of: VirtualWorld) {
    this.world = of
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }

  [Symbol.toPrimitive](): number {
    return 0
  }
}

type Callback = (...args: unknown[]) => void

/** A turn of an event loop takes a moment: other processes' events may fall between two of them. */
function turnMs({ chance }: VirtualWorld): number {
  return 0.001 + chance.next() * 0.02
}

function virtualTimeout(callback: Callback, delayMs = 0, ...args: unknown[]): unknown {
  if (world === undefined) return real.setTimeout(callback, delayMs, ...args)
  const timer = new VirtualTimer(world)
  const { schedule } = world
  timer.ticket = schedule.after(schedule.current, Math.max(1, delayMs), () => callback(...args))
  return timer
}

function virtualInterval(callback: Callback, delayMs = 0, ...args: unknown[]): unknown {
  if (world === undefined) return real.setInterval(callback, delayMs, ...args)
  const timer = new VirtualTimer(world)
  const { schedule } = world
  const life: Life | undefined = schedule.current
  const next = () => {
    timer.ticket = schedule.after(life, Math.max(1, delayMs), () => {
      next()
      callback(...args)
    })
  }
  next()
  return timer
}

function virtualImmediate(callback: Callback, ...args: unknown[]): unknown {
  if (world === undefined) return real.setImmediate(callback, ...args)
  const timer = new VirtualTimer(world)
  const { schedule } = world
  timer.ticket = schedule.after(schedule.current, turnMs(world), () => callback(...args))
  return timer
}

function clear(realClear: (timer: never) => void): (timer: unknown) => void {
  return timer => {
    if (!(timer instanceof VirtualTimer)) realClear(timer as never)
    else if (timer.ticket !== undefined) timer.world.schedule.cancel(timer.ticket)
  }
}

function virtualWallMs({ schedule }: VirtualWorld): number {
  return Math.floor(EPOCH_MS + schedule.nowMs + (schedule.current?.clock.aheadMs ?? 0))
}

function chance(): number {
  if (world !== undefined) return world.chance.next()
  loadCounter = (Math.imul(loadCounter, 1_664_525) + 1_013_904_223) >>> 0
  return loadCounter / 4_294_967_296
}

function virtualBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 1) bytes[at] = Math.floor(chance() * 256)
  return bytes
}

function virtualInt(low: number, high?: number): number {
  const [from, below] = high === undefined ? [0, low] : [low, high]
  // Two draws: one has 32 bits, an incarnation needs 47.
  const fraction = chance() + chance() / 4_294_967_296
  return from + Math.min(below - from - 1, Math.floor(fraction * (below - from)))
}

async function virtualStatfs(dir: string): Promise<{ bavail: number; bsize: number }> {
  return { bavail: world?.freeBytes(dir) ?? Number.MAX_SAFE_INTEGER, bsize: 1 }
}

function install(): void {
  Object.assign(globalThis, {
    setTimeout: virtualTimeout,
    setInterval: virtualInterval,
    setImmediate: virtualImmediate,
    clearTimeout: clear(real.clearTimeout),
    clearInterval: clear(real.clearInterval),
    clearImmediate: clear(real.clearImmediate),
  })
  Date.now = () => (world === undefined ? realNow() : virtualWallMs(world))
  performance.now = () => world?.schedule.nowMs ?? realPerformanceNow()
  Math.random = chance
  const require = createRequire(import.meta.url)
  Object.assign(require('node:crypto') as object, { randomBytes: virtualBytes, randomInt: virtualInt })
  Object.assign(require('node:fs/promises') as object, { statfs: virtualStatfs })
  syncBuiltinESMExports()
}

install()
