import { setTimeout as delay } from 'node:timers/promises'

/** Time between two looks: what is waited for happens in other processes, or in sockets, and calls nobody. */
const LOOK_EVERY_MS = 5
const PATIENCE_MS = 60_000

/** Resolves when the condition holds; rejects with `describe()` where it does not within a minute. */
export async function eventually(
  isTrue: () => boolean,
  describe: () => string = () => 'it never came true',
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(describe())
    await delay(LOOK_EVERY_MS)
  }
}
