/** How a process of a cluster ends. */
export const ExitCode = {
  DONE: 0,
  /** An invariant broke or the disk failed: start it again, and it verifies its log. */
  FAILED: 1,
  /** What it was given cannot work: arguments, configuration, a data folder of another cluster or newer format. */
  BAD_USAGE: 2,
  /** Something it needs is taken: the address, the data folder. */
  UNAVAILABLE: 3,
} as const
