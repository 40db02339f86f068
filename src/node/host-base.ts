/** What a storage node and the coordinator have in common as hosts: a clock, the newest shard map, client ids. */
import { randomBytes, randomInt } from 'node:crypto'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import { StampClock } from '../log/stamp.js'
import type { ClusterAdmin } from './cluster-admin.js'
import { ShardMapHolder } from './shard-map-holder.js'

/** Clocks of one cluster may be so far ahead of each other (docs/protocol.md, Time). */
const CLOCK_OFFSET_MS_MAX = 500

export class HostBase {
  /** New at every start of the process (I2). */
  readonly incarnation = randomInt(1, 2 ** 47)
  readonly admin: ClusterAdmin | undefined = undefined
  protected readonly clock = new StampClock(Date.now)
  protected readonly map = new ShardMapHolder()

  shardMap(): ShardMap | undefined {
    return this.map.current
  }

  onShardMap(listener: (map: ShardMap) => void): () => void {
    return this.map.watch(listener)
  }

  /** 16 bytes that begin with a stamp of now: request tables evict the oldest clients first. */
  newClientId(): Buffer {
    const id = randomBytes(16)
    id.writeBigUInt64BE(BigInt(this.clock.tick()), 0)
    return id
  }

  observeWall(wallMs: number): void {
    if (Number.isSafeInteger(wallMs) && wallMs > 0 && wallMs <= Date.now() + CLOCK_OFFSET_MS_MAX) {
      this.clock.observeWall(wallMs)
    }
  }

  observe(lamport: number): number {
    this.clock.observe(lamport)
    return this.clock.lamport
  }
}
