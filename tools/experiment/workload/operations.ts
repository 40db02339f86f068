/** What a load consists of, before anything of it is done. */

export type LoadOperation =
  | { readonly type: 'get' | 'delete'; readonly key: string }
  | { readonly type: 'set'; readonly key: string; readonly value: string }
  /** A read, and then a write of the same key. */
  | { readonly type: 'read-modify-write'; readonly key: string; readonly value: string }
  /** Up to `limit` keys from `key` on. */
  | { readonly type: 'scan'; readonly key: string; readonly limit: number }

/** What clients take their operations from. */
export interface OperationSource {
  /** The next operation of that client (from 0); undefined where it has no more. */
  next(client: number): LoadOperation | undefined
}

/** An endless sequence of operations of one client, the same for the same seed. */
export interface OperationStream {
  next(): LoadOperation
}
