const FIRST_DELAY_MS = 20
const LAST_DELAY_MS = 1_000

/** How long to wait before attempt `attempt` (0: the first repeat): doubling up to 1 s, half of it by chance. */
export function backoffMs(attempt: number, firstDelayMs = FIRST_DELAY_MS): number {
  const delay = Math.min(LAST_DELAY_MS, firstDelayMs * 2 ** Math.min(attempt, 16))
  return delay * (0.5 + Math.random() / 2)
}
