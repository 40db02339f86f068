/** I1: what is stored of an epoch is never altered, but for coming into office; nothing that must grow ever shrinks. */
import type { Configuration } from '../../../src/generated/varve/v1/replication.js'
import { isActive } from '../../../src/replication/configuration.js'
import type { Membership } from '../../../src/replication/membership.js'
import type { Trace } from '../world/trace.js'
import { type Checker, check } from './checker.js'

export class Configurations implements Checker {
  readonly #trace: Trace
  readonly #known = new Map<string, Configuration>()

  constructor(trace: Trace) {
    this.#trace = trace
  }

  /** As it was stored last. */
  of(ordinal: number, epoch: number): Configuration | undefined {
    return this.#known.get(`${ordinal}/${epoch}`)
  }

  onStored(ordinal: number, membership: Membership, before: Membership | undefined): void {
    const { current, reservedEpoch } = membership
    if (current !== null) this.#take(ordinal, current)
    if (before === undefined) return
    check(membership.logId === before.logId, `shard ${ordinal}: the log id changed`)
    check(reservedEpoch >= before.reservedEpoch, `shard ${ordinal}: the reserved epoch fell`)
    check((current?.epoch ?? 0) >= (before.current?.epoch ?? 0), `shard ${ordinal}: the epoch fell`)
    const isKept = before.activeEpochs.every((epoch, at) => membership.activeEpochs[at] === epoch)
    check(isKept, `shard ${ordinal}: an epoch that was in office was forgotten`)
    this.#count(membership, before)
  }

  #take(ordinal: number, current: Configuration): void {
    const name = `${ordinal}/${current.epoch}`
    const known = this.#known.get(name)
    this.#known.set(name, current)
    if (known === undefined) return
    check(
      withoutStatus(known) === withoutStatus(current),
      `shard ${ordinal}: epoch ${current.epoch} was altered`,
    )
    check(
      !isActive(known) || isActive(current),
      `shard ${ordinal}: epoch ${current.epoch} left office and kept its number`,
    )
  }

  #count({ reservedEpoch, current }: Membership, before: Membership): void {
    const trace = this.#trace
    if (reservedEpoch > before.reservedEpoch) {
      trace.count('transition: an epoch is reserved')
      if (before.reservedEpoch > (before.current?.epoch ?? 0)) trace.count('transition: an epoch is burnt')
    }
    if (current === null) return
    if (isActive(current) && !(before.current !== null && isActive(before.current))) {
      trace.count('transition: an epoch comes into office')
      if (current.members.length < current.minInSync) trace.count('transition: below minInSync')
    }
    if (before.current === null || current.epoch === before.current.epoch) return
    trace.count('transition: a configuration is proposed')
    const was = new Set(before.current.members.map(({ address }) => address))
    const is = new Set(current.members.map(({ address }) => address))
    if (current.head !== before.current.head) trace.count('transition: another head')
    if ([...was].some(address => !is.has(address))) trace.count('transition: a member is left out')
    if ([...is].some(address => !was.has(address))) trace.count('transition: a member is taken in')
  }
}

function withoutStatus({ status: _, ...rest }: Configuration): string {
  return JSON.stringify(rest)
}
