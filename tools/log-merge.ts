/** The logs of several shards as one sequence. */

import type { LogLine } from './log-line.js'

/**
 * Merges logs by Lamport time, equal times by the order of `logs`: no entry comes before one that it may depend
 * on. Each log is in order itself.
 */
export async function* mergeByLamport(logs: readonly AsyncIterable<LogLine>[]): AsyncGenerator<LogLine> {
  const sources = logs.map(log => log[Symbol.asyncIterator]())
  const heads = await Promise.all(sources.map(source => source.next()))
  try {
    for (;;) {
      let next = -1
      heads.forEach((head, i) => {
        if (head.done) return
        if (next === -1 || head.value.lamport < (heads[next]!.value as LogLine).lamport) next = i
      })
      if (next === -1) return
      yield heads[next]!.value as LogLine
      heads[next] = await sources[next]!.next()
    }
  } finally {
    // Whoever stops reading early lets go of what the sources hold.
    await Promise.all(sources.map(source => source.return?.()))
  }
}
