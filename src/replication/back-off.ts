/** For how long a replica that was taken out of a shard stays out: longer each time that it did not last. */

/** So often it may come back at once: a process that dies now and then is no trouble. */
const FREE_RETURNS = 3
const FIRST_MS = 1_000
const MAX_MS = 60_000
/** Who lasted as a member for so long begins anew. */
const LASTED_MS = 20_000

interface Standing {
  failures: number
  sinceMs: number
  untilMs: number
}

export class BackOff {
  readonly #standings = new Map<string, Standing>()

  /** It became a member. */
  entered(address: string, nowMs: number): void {
    const failures = this.#standings.get(address)?.failures ?? 0
    this.#standings.set(address, { failures, sinceMs: nowMs, untilMs: 0 })
  }

  /** It was taken out: the first time it may come back after `firstMs`. */
  removed(address: string, nowMs: number, firstMs = 0): void {
    const before = this.#standings.get(address)
    const failures = before === undefined || nowMs - before.sinceMs >= LASTED_MS ? 0 : before.failures
    const growingMs =
      failures < FREE_RETURNS ? 0 : Math.min(MAX_MS, FIRST_MS * 2 ** (failures - FREE_RETURNS))
    const untilMs = Math.max(before?.untilMs ?? 0, nowMs + Math.max(firstMs, growingMs))
    this.#standings.set(address, { failures: failures + 1, sinceMs: nowMs, untilMs })
  }

  /** Time that is left, ms; 0: it may come. */
  leftMs(address: string, nowMs: number): number {
    return Math.max(0, (this.#standings.get(address)?.untilMs ?? 0) - nowMs)
  }

  /** An operator wants it back. */
  forget(address: string): void {
    this.#standings.delete(address)
  }
}
