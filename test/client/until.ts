import { setImmediate } from 'node:timers/promises'

/** Waits, turn by turn of the event loop, until the condition holds. The test's own time-out bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate()
}
