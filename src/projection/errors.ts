/** Stable codes of what can go wrong with a projection. Messages may change, codes do not. */
export type ProjectionErrorCode =
  /** A record does not fit the projection: wrong index, or previous-links other than the projection's own. */
  | 'PROJECTION_DIVERGED'
  /** An invariant of commit and truncation was broken: what is committed cannot be undone, what is unknown not committed. */
  | 'PROJECTION_ORDER'
  /** A checkpoint that is not what was written. Never fatal: the log is replayed instead. */
  | 'CHECKPOINT_DAMAGED'
  /** A watch from, or now at, an index that retention dropped. `index` is the base's: go on above it. */
  | 'OUT_OF_RETENTION'
  /** Too much is asked for at once, or the log was cut meanwhile: the same may be answered later. */
  | 'BUSY'

/**
 * Failures of `src/projection` itself; those of the log it reads, and of its base, pass through as `LogError`. After
 * PROJECTION_DIVERGED or PROJECTION_ORDER the projection must be thrown away and built anew from the log.
 */
export class ProjectionError extends Error {
  readonly code: ProjectionErrorCode
  /** Index concerned, where there is one. */
  readonly index: number | undefined

  constructor(code: ProjectionErrorCode, message: string, index?: number) {
    super(message)
    this.name = 'ProjectionError'
    this.code = code
    this.index = index
  }
}
