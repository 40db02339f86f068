/**
 * An answer at a time T never changes (Time): whoever asks for the same moment again gets the same cut of each shard and the
 * same keys, whatever heads came and went. And it is the right one: in the end the committed log has, up to the cut,
 * everything that is stamped at or before T and nothing else, batches whole or not at all.
 */
import { shardOfKey } from '../../../src/client/shard-of-key.js'
import { Operation } from '../../../src/log/entry.js'
import type { ListedShard, Membership } from '../../../src/replication/membership.js'
import type { Look } from '../history.js'
import { type Checker, check } from './checker.js'
import type { CommittedLog, CommittedShard } from './committed-log.js'

/** What was answered of one shard. */
interface Answer {
  readonly client: string
  readonly moment: string
  readonly resolved: Look['resolved']
  readonly ordinal: number
  readonly index: number
  readonly key: string | undefined
  readonly shown: ReadonlyMap<string, string>
}

export class PastAnswers implements Checker {
  readonly #committed: CommittedLog
  readonly #shards: readonly ListedShard[]
  #answers: Answer[] = []
  /** By shard and moment: the first answer. */
  readonly #firsts = new Map<string, Answer>()

  constructor(committed: CommittedLog, shards: readonly ListedShard[]) {
    this.#committed = committed
    this.#shards = shards
  }

  onLooked({ client, resolved, key, shown }: Look): void {
    const moment = JSON.stringify(resolved.moment)
    for (const { name, ordinal } of this.#shards) {
      const isOf = (one: string) => shardOfKey(Buffer.from(one), this.#shards.length) === ordinal
      if (key !== undefined && !isOf(key)) continue
      const { index } = resolved.cuts[name]!
      const own = new Map([...shown].filter(([one]) => isOf(one)))
      const answer = { client, moment, resolved, ordinal, index, key, shown: own }
      const first = this.#firsts.get(`${ordinal} ${moment}`)
      if (first === undefined) this.#firsts.set(`${ordinal} ${moment}`, answer)
      else
        check(first.index === index, `${nameOf(answer)} ends at ${index}, and ended at ${first.index} once`)
      this.#answers.push(answer)
    }
  }

  /** An operator gave up what was committed: what was answered of it before is given up as well. */
  onStored(ordinal: number, membership: Membership, before: Membership | undefined): void {
    const recoveryOf = (one: unknown) => (one as { recovery?: unknown } | undefined)?.recovery ?? undefined
    if (recoveryOf(membership) === undefined || recoveryOf(before) !== undefined) return
    this.#answers = this.#answers.filter(answer => answer.ordinal !== ordinal)
    for (const [name, answer] of this.#firsts) if (answer.ordinal === ordinal) this.#firsts.delete(name)
  }

  atRest(): void {
    for (const answer of this.#answers) this.#checkAnswer(answer)
  }

  #checkAnswer(answer: Answer): void {
    const { resolved, ordinal, index, key, shown } = answer
    const shard = this.#committed.shards.get(ordinal)!
    const right = cutOf(shard, resolved.moment)
    check(index === right, `${nameOf(answer)} ended at ${index}, the log says ${right}`)
    const held = stateAt(shard, index)
    for (const [one, value] of shown) {
      check(held.get(one) === value, `${nameOf(answer)} showed ${one} as ${value}, it was ${held.get(one)}`)
    }
    const wanted = key === undefined ? [...held.keys()] : held.has(key) ? [key] : []
    for (const one of wanted) check(shown.has(one), `${nameOf(answer)} did not show ${one}`)
  }
}

/** Index of the last entry at or before the moment, batches whole or not at all. */
function cutOf({ entries }: CommittedShard, moment: Look['resolved']['moment']): number {
  let index = entries.length - 1
  const isAfter = (at: number) => {
    const { lamport, wallMs } = entries[at]!.stamp
    return 'lamport' in moment ? lamport > moment.lamport : wallMs > moment.wallMs
  }
  while (index > 0 && isAfter(index)) index -= 1
  if (index === entries.length - 1) return index
  while (index > 0 && entries[index]!.batchContinues) index -= 1
  return index
}

function stateAt({ entries }: CommittedShard, index: number): Map<string, string> {
  const state = new Map<string, string>()
  for (let at = 1; at <= index; at += 1) {
    const { operation, key, value } = entries[at]!
    if (operation === Operation.SET) state.set(key.toString(), value.toString())
    if (operation === Operation.DELETE) state.delete(key.toString())
  }
  return state
}

function nameOf({ client, moment, ordinal }: Answer): string {
  return `what ${client} was shown of shard ${ordinal} at ${moment}`
}
