/** Varve's public interface. */
export type { BatchResult } from './client/calls.js'
export { connect, type ReadResult, type ScanEntry, VarveClient } from './client/client.js'
export type { Encoded, EncodingName } from './client/encoding.js'
export { type ErrorCode, errorCodes, VarveError, type WriteOutcome } from './client/errors.js'
export type {
  BatchOperation,
  BatchOptions,
  CallOptions,
  ConnectOptions,
  ConsistencyName,
  ReadOptions,
  ScanOptions,
  WatchOptions,
  WriteCondition,
  WriteOptions,
} from './client/options.js'
export { shardOfKey } from './client/shard-of-key.js'
export type { Token, TokenPart } from './client/token.js'
export type { Watch, WatchEvent } from './client/watch.js'
export type { PreviousValue, WriteResult } from './client/write-op.js'
export type { Member, Shard, ShardMap } from './generated/varve/v1/cluster.js'
export type { Stamp } from './log/entry.js'
export type { Logger } from './log/logger.js'
export { type LocalCluster, type LocalClusterOptions, startLocalCluster } from './node/local-cluster.js'
