/** Whether a replica holds what a session has seen (Requests, sessions, orphans): the token's index, in its epoch. */
import { VarveError } from '../client/errors.js'
import type { Log } from '../log/log.js'

/** What a replica knows that tokens are held against. */
export interface TokenGround {
  readonly name: string
  readonly log: Pick<Log, 'epochs' | 'lastIndex'>
  readonly commitIndex: number
}

/**
 * Why this replica cannot answer a session that has seen `index` in `epoch`; undefined where it can. BEHIND: it does not
 * hold that much yet, another may. TOKEN_LOST: the entry was cut off, and what stands there instead is committed.
 */
export function tokenFailure(
  { name, log, commitIndex }: TokenGround,
  index: number,
  epoch: number,
): VarveError | undefined {
  if (index === 0) return undefined
  const { epochs } = log
  const span = epochs.find(({ startIndex, lastIndex }) => startIndex <= index && index <= lastIndex)
  if (span?.epoch === epoch) return undefined
  const next = epochs.find(each => each.epoch > epoch)
  if (next !== undefined && next.startIndex <= index && next.startIndex <= commitIndex) {
    const cut = `entry ${index} of epoch ${epoch} was cut off`
    return new VarveError(
      'TOKEN_LOST',
      `${name}: ${cut}; epoch ${next.epoch} goes on from ${next.startIndex}`,
    )
  }
  const holds = `this replica holds ${log.lastIndex} entries, the session has seen ${index}`
  return new VarveError('BEHIND', `${name}: ${holds}`)
}
