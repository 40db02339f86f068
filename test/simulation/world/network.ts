/**
 * The links between processes. A message crosses them as bytes; it may be lost, doubled, overtaken or late, as the
 * weather has it. A link whose other end is gone is told to its sender, as a broken connection is; one that is cut says
 * nothing for a long time.
 */
import type { Envelope } from '../../../src/generated/varve/v1/replication.js'
import { decodeEnvelope, encodeEnvelope } from '../../../src/replication/link-codec.js'
import type { Transport } from '../../../src/replication/transport.js'
import type { Random } from '../../../tools/random.js'
import { describeEnvelope } from '../../scenarios/harness/describe.js'
import type { Life, Schedule } from './schedule.js'
import type { Trace } from './trace.js'
import type { Weather } from './weather.js'

/** As the real links have it (src/replication/outgoing-link.ts), ms. */
const RECONNECT_DELAY_MIN_MS = 50
const RECONNECT_DELAY_MAX_MS = 1_000
/** A connection that nobody answers on is given up after this long, ms. */
const SILENCE_MS = 20_000

interface Endpoint {
  readonly life: Life
  readonly address: string
  onMessage: (envelope: Envelope) => void
  onLinkDown: (address: string) => void
  readonly links: Map<string, Link>
}

/** The sending half of a connection. */
interface Link {
  /** Whose life the connection leads to. */
  peer: Life | undefined
  retryAt: number
  delayMs: number
  /** Nothing that is in order arrives before this. */
  lastAt: number
  /** Since when nothing came through, while it is cut. */
  silentSince: number | undefined
}

export class Network {
  readonly weather: Weather
  readonly #schedule: Schedule
  readonly #random: Random
  readonly #trace: Trace
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #cut = new Map<string, 'lose' | 'hold'>()
  readonly #healed: (() => void)[] = []

  constructor(schedule: Schedule, random: Random, trace: Trace, weather: Weather) {
    this.#schedule = schedule
    this.#random = random
    this.#trace = trace
    this.weather = weather
  }

  // -- cuts

  /** Nothing gets from one address to the other any more: it is lost, or held until the link is mended. */
  cut(from: string, to: string, how: 'lose' | 'hold'): void {
    this.#cut.set(`${from}>${to}`, how)
  }

  /** All cuts end. Some connections survive, others find out that they are broken. */
  mend(): void {
    for (const name of [...this.#cut.keys()]) this.mendLink(name)
  }

  /** The cut named `from>to` ends. */
  mendLink(name: string): void {
    if (!this.#cut.delete(name)) return
    const [from = '', to = ''] = name.split('>')
    const endpoint = this.#endpoints.get(from)
    const link = endpoint?.links.get(to)
    if (link !== undefined) {
      link.silentSince = undefined
      if (this.#random.chance(0.5)) this.#down(endpoint!, to, link)
    }
    for (const healed of this.#healed.splice(0)) healed()
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`)
  }

  get cuts(): readonly string[] {
    return [...this.#cut.keys()]
  }

  /** Calls once, when a cut ends. */
  onMend(healed: () => void): void {
    this.#healed.push(healed)
  }

  /** Who answers at this address now. */
  lifeAt(address: string): Life | undefined {
    const life = this.#endpoints.get(address)?.life
    return life?.isDead ? undefined : life
  }

  /** One way from one process to another, ms. */
  latencyMs(): number {
    const { latencyMs, jitterMs, straggle } = this.weather
    const late = straggle > 0 && this.#random.chance(straggle) ? this.#random.between(10, 400) : 0
    return latencyMs + this.#random.next() * jitterMs + late
  }

  // -- processes

  /** The transport of a process that starts at `address`. */
  attach(life: Life, address: string): Transport {
    const endpoint: Endpoint = {
      life,
      address,
      onMessage: () => {},
      onLinkDown: () => {},
      links: new Map(),
    }
    this.#endpoints.set(address, endpoint)
    return {
      send: (to, envelope) => this.#send(endpoint, to, envelope),
      onMessage: listener => {
        endpoint.onMessage = listener
      },
      onLinkDown: listener => {
        endpoint.onLinkDown = listener
      },
      close: async () => {},
    }
  }

  /** The process at this address has just died: its connections break. */
  died(address: string, life: Life): void {
    for (const endpoint of this.#endpoints.values()) {
      const link = endpoint.links.get(address)
      if (link?.peer !== life || endpoint.life.isDead) continue
      if (!this.isCut(address, endpoint.address)) this.#down(endpoint, address, link)
    }
  }

  #send(from: Endpoint, to: string, envelope: Envelope): boolean {
    const { life } = from
    if (life.isDead) return false
    const link = this.#linkOf(from, to)
    if (this.#schedule.nowMs < link.retryAt) return false
    const { refuse } = this.weather
    if (refuse > 0 && to !== from.address && this.#random.chance(refuse)) {
      this.#trace.count('fault: a transport refuses')
      return false
    }
    const bytes = encodeEnvelope(envelope)
    this.#trace.detail(() => `  ${describeEnvelope(to, decodeEnvelope(Buffer.from(bytes)))}`)
    const target = this.#endpoints.get(to)
    if (target === undefined || target.life.isDead) {
      this.#down(from, to, link)
      return true
    }
    if (link.peer !== target.life) {
      link.peer = target.life
      link.lastAt = 0
    }
    link.delayMs = RECONNECT_DELAY_MIN_MS
    this.#post(from, target, link, bytes)
    return true
  }

  #linkOf(from: Endpoint, to: string): Link {
    let link = from.links.get(to)
    if (link === undefined) {
      link = {
        peer: undefined,
        retryAt: 0,
        delayMs: RECONNECT_DELAY_MIN_MS,
        lastAt: 0,
        silentSince: undefined,
      }
      from.links.set(to, link)
    }
    return link
  }

  #post(from: Endpoint, target: Endpoint, link: Link, bytes: Buffer): void {
    const name = `${from.address}>${target.address}`
    const how = this.#cut.get(name)
    if (how !== undefined) return this.#postCut(from, target, link, bytes, how)
    const isSelf = from === target
    const { loss, duplicate, overtake } = this.weather
    if (!isSelf && loss > 0 && this.#random.chance(loss)) return this.#trace.count('fault: message lost')
    const now = this.#schedule.nowMs
    let at = now + this.latencyMs()
    if (!isSelf && overtake > 0 && this.#random.chance(overtake)) {
      this.#trace.count('fault: message overtakes')
      at = now + this.#random.between(0, 20)
    } else {
      at = Math.max(at, link.lastAt)
      link.lastAt = at
    }
    this.#deliverAt(at, from, target, bytes)
    if (isSelf || duplicate === 0 || !this.#random.chance(duplicate)) return
    this.#trace.count('fault: message doubled')
    this.#deliverAt(at + this.#random.between(0, 50), from, target, bytes)
  }

  #postCut(from: Endpoint, target: Endpoint, link: Link, bytes: Buffer, how: 'lose' | 'hold'): void {
    const now = this.#schedule.nowMs
    link.silentSince ??= now
    if (now - link.silentSince > SILENCE_MS) {
      link.silentSince = now
      return this.#down(from, target.address, link)
    }
    this.#trace.count('fault: message stuck in a partition')
    if (how === 'hold') this.onMend(() => this.#post(from, target, link, bytes))
  }

  #deliverAt(at: number, from: Endpoint, target: Endpoint, bytes: Buffer): void {
    this.#schedule.after(target.life, at - this.#schedule.nowMs, () => {
      const how = this.#cut.get(`${from.address}>${target.address}`)
      if (how === 'hold') this.onMend(() => this.#deliverAt(this.#schedule.nowMs, from, target, bytes))
      else if (how === undefined) target.onMessage(decodeEnvelope(Buffer.from(bytes)))
    })
  }

  /** The connection is broken, or could not be made. */
  #down(from: Endpoint, to: string, link: Link): void {
    const now = this.#schedule.nowMs
    link.peer = undefined
    link.lastAt = 0
    link.silentSince = undefined
    link.retryAt = now + link.delayMs
    link.delayMs = Math.min(link.delayMs * 2, RECONNECT_DELAY_MAX_MS)
    this.#trace.count('fault: link broken')
    this.#schedule.after(from.life, this.latencyMs(), () => from.onLinkDown(to))
  }
}
