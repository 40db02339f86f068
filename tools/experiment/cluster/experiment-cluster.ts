/** The cluster that a run is made on, whoever started it. */

/** What a run needs of its cluster. Addresses are of this machine where processes are ended or started. */
export interface ExperimentCluster {
  readonly coordinator: string
  readonly topology: 'chain' | 'star'
  /** Node addresses in the order of their numbers: the first one is `n1`. */
  readonly nodes: readonly string[]
  /** Addresses of each shard's replicas as the run finds them, in the tree's order. */
  readonly shards: Readonly<Record<string, readonly string[]>>
  /** From the first start of a process until all shards served; undefined where it was running. */
  readonly startedInMs: number | undefined

  /** Ends a process at once, or in order; resolves when it is gone. Rejects where it is not there. */
  end(address: string, isClean: boolean): Promise<void>
  /** Starts a process on its data; resolves when it listens. Rejects where it runs, or does not come up. */
  start(address: string): Promise<void>
  /** Makes a process silent, or lets it go on. Rejects where it is not there. */
  pause(address: string): Promise<void>
  resume(address: string): Promise<void>
  /** Whether a process at that address runs, silent or not. */
  isRunning(address: string): Promise<boolean>
  /** Ends what the run started; a cluster that was running before goes on. Idempotent. */
  close(): Promise<void>
}

/** A process that ended or listens again, in words, as it happens. */
export type ProcessNotice = (address: string, what: string) => void
