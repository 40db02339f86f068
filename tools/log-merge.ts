/** The logs of several shards as one sequence. */

import type { LogLine } from './log-line.js'

/**
 * Merges logs by Lamport time, equal times by the order of `logs`: no entry comes before one that it may depend
 * on. Each log is in order itself.
 */
export function mergeByLamport(logs: readonly AsyncIterable<LogLine>[]): AsyncGenerator<LogLine> {
  return merge(logs, (one, other) => one.lamport < other.lamport)
}

/** The same for logs that come newest first: the newest of all comes first. */
export function mergeByLamportBackward(logs: readonly AsyncIterable<LogLine>[]): AsyncGenerator<LogLine> {
  return merge(logs, (one, other) => one.lamport >= other.lamport)
}

async function* merge(
  logs: readonly AsyncIterable<LogLine>[],
  isBefore: (one: LogLine, other: LogLine) => boolean,
): AsyncGenerator<LogLine> {
  const sources = logs.map(log => log[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(sources.map(source => source.next()))
    for (;;) {
      let next = -1
      heads.forEach((head, i) => {
        if (head.done) return
        if (next === -1 || isBefore(head.value, heads[next]!.value as LogLine)) next = i
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
