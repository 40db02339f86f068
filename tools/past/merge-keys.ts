/** What several shards hold as one sequence. */

/**
 * Merges sequences that are each in the byte order of their keys (`reverse`: against it). A key is in one of them only.
 */
export async function* mergeByKey<T extends { readonly key: Buffer }>(
  sequences: readonly AsyncIterable<T>[],
  reverse = false,
): AsyncGenerator<T> {
  const sources = sequences.map(each => each[Symbol.asyncIterator]())
  const sign = reverse ? -1 : 1
  try {
    const heads = await Promise.all(sources.map(source => source.next()))
    for (;;) {
      let next = -1
      for (const [at, head] of heads.entries()) {
        if (head.done) continue
        const best = heads[next]
        if (best === undefined || sign * head.value.key.compare((best.value as T).key) < 0) next = at
      }
      if (next === -1) return
      yield heads[next]!.value as T
      heads[next] = await sources[next]!.next()
    }
  } finally {
    // Whoever stops reading early lets go of what the sources hold.
    await Promise.all(sources.map(source => source.return?.()))
  }
}
