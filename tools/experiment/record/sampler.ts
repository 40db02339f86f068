/** Watches every process of a cluster while a run is made: what nodes say of themselves, and who holds which shard. */

import { setTimeout as delay } from 'node:timers/promises'
import { Inspector } from '../../../src/client/inspector.js'
import type { NodeStatus, Shard } from '../../../src/generated/varve/v1/cluster.js'
import type { MembershipEvent, SampleEvent } from './events.js'

/** A process that is gone is looked for again after so long. */
const AGAIN_MS = 250
/** One that says nothing for so long beyond its time is asked anew. */
const SILENT_MS_MAX = 10_000

export interface SamplerOptions {
  readonly coordinator: string
  readonly nodes: readonly string[]
  readonly everyMs: number
  readonly onSample: (sample: Omit<SampleEvent, 'type' | 'run' | 'atMs'>, wallMs: number) => void
  readonly onMembership: (membership: Omit<MembershipEvent, 'type' | 'run' | 'atMs'>) => void
}

/** Watches from its making to `stop`. A process that does not answer is simply not heard of. */
export class Sampler {
  readonly #options: SamplerOptions
  readonly #inspector: Inspector
  readonly #stopping = new AbortController()
  readonly #watching: Promise<unknown>
  readonly #known = new Map<string, string>()
  readonly #heard = new Set<string>()
  readonly #allHeard: Promise<void>
  #onAllHeard: () => void = () => {}

  constructor(options: SamplerOptions) {
    this.#options = options
    this.#inspector = new Inspector({ timeoutMs: options.everyMs + SILENT_MS_MAX })
    this.#allHeard = new Promise(resolve => {
      this.#onAllHeard = resolve
    })
    const nodes = options.nodes.map(node => this.#again(() => this.#watchNode(node)))
    this.#watching = Promise.all([this.#again(() => this.#watchMap()), ...nodes])
  }

  /** Resolves when every node has been heard of, and the shard map, or after `waitMs`. */
  async allHeard(waitMs: number): Promise<void> {
    await Promise.race([this.#allHeard, delay(waitMs, undefined, { ref: false })])
  }

  /** Ends all watching. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    // What is waited for rejects then.
    this.#inspector.close()
    await this.#watching
  }

  async #again(watch: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await watch().catch(() => {})
      await delay(AGAIN_MS, undefined, { signal }).catch(() => {})
    }
  }

  async #watchNode(node: string): Promise<void> {
    const { everyMs, onSample } = this.#options
    for await (const status of this.#inspector.watchNodeStatus(node, everyMs)) {
      onSample(sampleOf(node, status), status.wallMs)
      this.#hear(node)
    }
  }

  async #watchMap(): Promise<void> {
    const { coordinator, onMembership } = this.#options
    for await (const { shards } of this.#inspector.watchShardMap(coordinator)) {
      for (const shard of shards) {
        const membership = membershipOf(shard)
        const text = JSON.stringify(membership)
        if (this.#known.get(shard.name) === text) continue
        this.#known.set(shard.name, text)
        onMembership(membership)
      }
      this.#hear(coordinator)
    }
  }

  #hear(address: string): void {
    this.#heard.add(address)
    if (this.#heard.size > this.#options.nodes.length) this.#onAllHeard()
  }
}

function sampleOf(node: string, status: NodeStatus): Omit<SampleEvent, 'type' | 'run' | 'atMs'> {
  return {
    node,
    cpuMs: (status.cpuUserUs + status.cpuSystemUs) / 1_000,
    rssBytes: status.memoryRssBytes,
    replicas: status.replicas.map(
      ({ shard, role, epoch, lastIndex, durableIndex, commitIndex, lastStamp }) => ({
        shard,
        role,
        epoch,
        lastIndex,
        durableIndex,
        commitIndex,
        lamport: lastStamp?.lamport ?? 0,
      }),
    ),
  }
}

function membershipOf({ name, epoch, status, head, members, learners }: Shard) {
  return {
    shard: name,
    epoch,
    status,
    head,
    members: members.map(({ address }) => address),
    learners: learners.map(({ address }) => address),
  }
}
