/** Stable codes of what can go wrong with a projection. Messages may change, codes do not. */
export type ProjectionErrorCode =
  /** A record does not fit the projection: wrong index, or previous-links other than the projection's own. */
  | 'PROJECTION_DIVERGED'
  /** An invariant of commit and truncation was broken: what is committed cannot be undone, what is unknown not committed. */
  | 'PROJECTION_ORDER'
  /** A checkpoint that is not what was written. Never fatal: the log is replayed instead. */
  | 'CHECKPOINT_DAMAGED'

/**
 * Failures of `src/projection` itself; those of the log it reads pass through as `LogError`. After
 * PROJECTION_DIVERGED or PROJECTION_ORDER the projection must be thrown away and built anew from the log.
 */
export class ProjectionError extends Error {
  readonly code: ProjectionErrorCode

  constructor(code: ProjectionErrorCode, message: string) {
    super(message)
    this.name = 'ProjectionError'
    this.code = code
  }
}
