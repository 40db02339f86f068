/** Carries out operations with a bounded number under way, the ones of each key one after another. */

/** How operations are told apart, carried out and reported. */
export interface Schedule<Operation, Result> {
  /** Operations with the same key keep their order. */
  keyOf(operation: Operation): string
  perform(operation: Operation): Promise<Result>
  /** Called with each result in the order of the operations; the next ones wait for it. */
  finished(result: Result): Promise<void>
}

/**
 * Runs all operations, at most `concurrency` at once (1: one after another). At the first failure, of an
 * operation or of the source, no further one is begun, those under way are waited for, the results before the
 * failure are reported, and the promise rejects with the failure.
 */
export async function runInOrder<Operation, Result>(
  operations: AsyncIterable<Operation>,
  concurrency: number,
  schedule: Schedule<Operation, Result>,
): Promise<void> {
  const underWay: Promise<Result>[] = []
  const lastOfKey = new Map<string, Promise<Result>>()
  const begin = (operation: Operation) => {
    const key = schedule.keyOf(operation)
    const before = lastOfKey.get(key)
    const result =
      before === undefined ? schedule.perform(operation) : before.then(() => schedule.perform(operation))
    lastOfKey.set(key, result)
    const forget = () => {
      if (lastOfKey.get(key) === result) lastOfKey.delete(key)
    }
    result.then(forget, forget)
    underWay.push(result)
  }
  const finishFirst = async () => schedule.finished(await underWay.shift()!)
  try {
    const source = operations[Symbol.asyncIterator]()
    for (;;) {
      const next = await nextOf(source)
      if (next.kind === 'item') {
        if (underWay.length >= concurrency) await finishFirst()
        begin(next.operation)
        continue
      }
      // What came before a line that cannot be read stands: its results are reported before the failure is.
      while (underWay.length > 0) await finishFirst()
      if (next.kind === 'failure') throw next.error
      return
    }
  } finally {
    await Promise.allSettled(underWay)
  }
}

type Next<Operation> =
  | { readonly kind: 'item'; readonly operation: Operation }
  | { readonly kind: 'end' }
  | { readonly kind: 'failure'; readonly error: unknown }

async function nextOf<Operation>(source: AsyncIterator<Operation>): Promise<Next<Operation>> {
  try {
    const next = await source.next()
    return next.done ? { kind: 'end' } : { kind: 'item', operation: next.value }
  } catch (error) {
    return { kind: 'failure', error }
  }
}
