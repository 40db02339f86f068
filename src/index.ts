/** Varve's public interface. */
export type { BatchResult } from './client/calls.js'
export { connect, VarveClient } from './client/client.js'
export type { Encoded, EncodingName } from './client/encoding.js'
export { type ErrorCode, errorCodes, VarveError, type WriteOutcome } from './client/errors.js'
export type { RangeOptions } from './client/key-range.js'
export type { LogPlace } from './client/log-place.js'
export type { At, Cut, Horizon, ResolvedMoment } from './client/moment.js'
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
export type { PastEntry } from './client/past-entry.js'
export type {
  BlameOptions,
  Difference,
  DiffMoments,
  DiffOptions,
  HistoryOptions,
} from './client/past-reads.js'
export { History, PastStream } from './client/past-stream.js'
export type { ReadResult, ScanEntry } from './client/read-result.js'
export type { ReplayEvent, ReplayedEntry } from './client/replay.js'
export type {
  RestoreChange,
  RestoreCounts,
  RestoreMoments,
  RestoreOptions,
  RestorePlan,
  RestoreProgress,
  RestoreResult,
} from './client/restore.js'
export { shardOfKey } from './client/shard-of-key.js'
export type { RetentionRule, Tag } from './client/tag-calls.js'
export { parseTimeAddress, TIME_ADDRESS_FORMS, type TimeAddress } from './client/time-address.js'
export type { ResolveOptions } from './client/time-calls.js'
export type { Token, TokenPart } from './client/token.js'
export type { Watch, WatchEvent } from './client/watch.js'
export type { WatchFrom } from './client/watch-begin.js'
export type { PreviousValue, WriteResult } from './client/write-op.js'
export type { Member, Shard, ShardMap } from './generated/varve/v1/cluster.js'
export type { Stamp } from './log/entry.js'
export type { Logger } from './log/logger.js'
export { type LocalCluster, type LocalClusterOptions, startLocalCluster } from './node/local-cluster.js'
export { type ReplayOptions, replay } from './node/replay.js'
