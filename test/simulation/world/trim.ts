/** Retention by an operator's hand: a running node's log is trimmed, so that followers far behind need its base. */
import type { Log } from '../../../src/log/log.js'
import { nullLogger } from '../../../src/log/logger.js'
import { ShardProjection } from '../../../src/projection/shard-projection.js'
import { trimIndexAt, trimLog } from '../../../src/projection/trim.js'
import type { NodeProcess } from './node-process.js'

/** Projections by the log that they are built from: a node keeps its own to itself. */
const projections = new WeakMap<Log, ShardProjection>()

const { commit } = ShardProjection.prototype

ShardProjection.prototype.commit = function commitAndRemember(this: ShardProjection, index: number): void {
  projections.set(this.log, this)
  commit.call(this, index)
}

/** Trims the node's log of the shard at or below `share` of what is committed. False where there is nothing to trim. */
export function trim(node: NodeProcess, shard: number, share: number): boolean {
  const { life, disk } = node
  const log = disk.log(shard)
  const projection = projections.get(log)
  if (life === undefined || projection === undefined || node.isTrimming) return false
  const index = trimIndexAt(log, projection, Math.floor(projection.committedIndex * share))
  if (index <= log.baseIndex) return false
  const { store } = disk.folder
  node.isTrimming = true
  node.run(() => {
    trimLog({ log, projection, blobs: store.blobs, logger: nullLogger, index, writtenMs: 0 }).then(
      () => {
        node.isTrimming = false
      },
      error => {
        node.isTrimming = false
        // A process that ends meanwhile, or a log that was cut or replaced, is no fault.
        const isHarmless = life.isDead || store.poisoned !== undefined || error.code === 'LOG_GAP'
        if (!isHarmless) node.violated(`trim at ${index}: ${error}`)
      },
    )
  })
  return true
}
