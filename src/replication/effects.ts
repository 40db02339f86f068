/**
 * What a replica's state machine asks its driver to do. The driver carries effects out in the order given, each
 * before the next step: the log it hands in must show every append and cut at once. Nothing here waits; what must be
 * durable first is asked for again when the driver reports it (`durable`, `cutDurable`).
 */
import type { Configuration, Envelope } from '../generated/varve/v1/replication.js'
import type { BaseName } from '../log/log-base.js'
import type { LogRecord } from '../log/record-codec.js'

/** The body of a message, without its envelope. */
export type Body = NonNullable<Envelope['body']>

export type Effect =
  /** Persist that lower epochs are over (I2); answer with `durable` once synced. */
  | { readonly type: 'adopt'; readonly epoch: number }
  | { readonly type: 'setLogId'; readonly logId: string }
  /** Append a record that came from upstream, byte for byte. */
  | { readonly type: 'append'; readonly record: LogRecord }
  /** Apply the record that was just appended to the projection. */
  | { readonly type: 'apply'; readonly record: LogRecord }
  /** The head opens its epoch: append the EPOCH entry alone in a record and step `appended` with it. */
  | { readonly type: 'writeEpoch'; readonly configuration: Configuration }
  /** The log ends at `index` from now on; undo what was applied above. Step `cutDurable` once synced. */
  | { readonly type: 'cut'; readonly index: number }
  /**
   * An operator's recovery gave up what this log knows to be committed: cut it at `index`, wait until that is synced, and
   * end the process, which comes back with what is left.
   */
  | { readonly type: 'cutForRecovery'; readonly index: number; readonly reason: string }
  /** A base comes in: hand its bytes to the keeper. Step `baseWritten` as they leave memory. */
  | { readonly type: 'baseBegin'; readonly base: BaseName }
  | { readonly type: 'baseWrite'; readonly bytes: Buffer }
  /** All of it came in. Step `basePrepared` when it is durable and checked, `baseDamaged` where it is no good. */
  | { readonly type: 'baseFinish' }
  /**
   * Put the prepared base in place of log and projection; what the log holds above `committedIndex` becomes orphans. Step
   * `cutDurable` once synced.
   */
  | { readonly type: 'installBase'; readonly committedIndex: number }
  /** All up to `index` is committed. Never falls. */
  | { readonly type: 'commit'; readonly index: number }
  | { readonly type: 'send'; readonly to: string; readonly epoch: number; readonly body: Body }
  /** Role, epoch or readiness changed: look at the replica again. */
  | { readonly type: 'changed' }
  /** Strong reads under this ticket may be answered once `index` is applied; it is committed. */
  | { readonly type: 'readReady'; readonly ticket: number; readonly index: number }
  | { readonly type: 'readRefused'; readonly ticket: number; readonly reason: string }
  /** An invariant is broken: end the process before harm is done. */
  | { readonly type: 'alarm'; readonly message: string }

export type ReplicaEvent =
  | { readonly type: 'message'; readonly envelope: Envelope }
  /** The driver, as head, appended this record to the log. */
  | { readonly type: 'appended'; readonly record: LogRecord }
  /** A synced batch ended: `log.durableIndex` and `log.durableEpoch` are as they are now. */
  | { readonly type: 'durable' }
  | { readonly type: 'cutDurable'; readonly index: number }
  | { readonly type: 'baseWritten'; readonly sizeBytes: number }
  | { readonly type: 'basePrepared'; readonly base: BaseName }
  | { readonly type: 'baseDamaged' }
  /** Strong reads wait here under this ticket. */
  | { readonly type: 'read'; readonly ticket: number }
  /** The link to `address` broke: what was in flight to it may be lost. */
  | { readonly type: 'linkDown'; readonly address: string }
  /** The transport did not take a record, or a piece of a base, that was sent to `address`. */
  | { readonly type: 'dropped'; readonly address: string }
