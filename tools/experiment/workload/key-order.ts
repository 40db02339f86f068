/** Keeps operations of one key one after another, in the order in which they were taken. */

import type { Perform } from './load-driver.js'

/**
 * Performs each operation once the one before it on its key has ended, however that ended. One that still waits when the
 * load is over is not begun. What waits is bounded by the clients: each has one operation.
 */
export function inKeyOrder(perform: Perform): Perform {
  const lastOfKey = new Map<string, Promise<void>>()
  return (operation, turn) => {
    const { key } = operation
    const before = lastOfKey.get(key)
    const own =
      before === undefined
        ? perform(operation, turn)
        : before.then(() => (turn.signal.aborted ? undefined : perform(operation, turn)))
    const ended = own.catch(() => {})
    lastOfKey.set(key, ended)
    void ended.then(() => {
      if (lastOfKey.get(key) === ended) lastOfKey.delete(key)
    })
    return own
  }
}
