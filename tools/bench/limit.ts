/**
 * The limit: what one process can append to one log, durably, on this machine at this moment. Nothing replicated
 * can be faster than the head's own disk, so write rows are compared with it rather than with a figure from
 * elsewhere.
 */

/** Entries in the records that the limit is measured with. */
export const LIMIT_RECORD_ENTRIES = 256

/** Asks the `limit` worker to measure. The worker makes its logs under `folder`. */
export interface LimitRequest {
  readonly folder: string
  readonly valueSizeBytes: number
  readonly keys: number
  /** Of each of the three measurements. */
  readonly windowMs: number
}

export interface Limit {
  /** Entries a second in synced records of 256, one after the other, the next one built during the sync. */
  readonly entriesPerSecond: number
  /** CPU of the process for one of these entries, microseconds. */
  readonly cpuUsPerEntry: number
  /** Median of one synced append of such a record. */
  readonly recordP50Us: number
  /** Median of one synced append of a single entry. */
  readonly syncP50Us: number
  /** Median of three such appends, each to a log of its own, one after the other. */
  readonly threeSyncsP50Us: number
}
