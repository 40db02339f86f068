/** Where an entry stands in its shard's log. Everything that a client answers with says it. */
export interface LogPlace {
  readonly shard: string
  readonly epoch: number
  /** 1, 2, 3 ... within the shard; 0 where there is no entry. */
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  /** Whether every in-sync member holds it durably. Where not, it may still be undone. */
  readonly committed: boolean
}
