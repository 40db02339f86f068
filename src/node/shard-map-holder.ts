/** The newest shard map that a process knows, and who wants to hear of newer ones. */
import type { ShardMap } from '../generated/varve/v1/cluster.js'

export class ShardMapHolder {
  readonly #listeners = new Set<(map: ShardMap) => void>()
  #current: ShardMap | undefined

  get current(): ShardMap | undefined {
    return this.#current
  }

  /** Takes a map unless a newer one is known. */
  set(map: ShardMap): void {
    if (this.#current !== undefined && map.revision < this.#current.revision) return
    this.#current = map
    for (const listener of this.#listeners) listener(map)
  }

  /** Calls the listener with each map from now on; the function returned ends that. */
  watch(listener: (map: ShardMap) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
