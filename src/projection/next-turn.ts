/** Resolves in the next turn of the event loop: what waited meanwhile has had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
