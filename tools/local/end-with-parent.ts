/**
 * Loaded into processes (`--import`) that must not outlive the command that started them, however that ended: also by
 * `kill -9`, after which nobody is left to end them. Not for `varve up`: a supervisor's nodes go on without it.
 */

/** Names the process to end with, where a parent that ends before this is loaded would go unnoticed. */
const PARENT_VARIABLE = 'VARVE_END_WITH'
/** A process whose parent is gone has another one; there is no event for that. */
const PARENT_POLL_MS = 1_000

const parent = Number(process.env[PARENT_VARIABLE]) || process.ppid
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
}, PARENT_POLL_MS).unref()
