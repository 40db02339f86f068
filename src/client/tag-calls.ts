/** Calls that decide what of the past is kept: names for moments, and rules of retention. */
import type {
  ListTagsResponse,
  RemoveTagResponse,
  Retention,
  Tag as WireTag,
} from '../generated/varve/v1/time_travel.js'
import { VarveError } from './errors.js'
import { type AskedMoment, type ResolvedMoment, timeOf, wireTime } from './moment.js'
import { askAny, type CallBounds } from './shard-call.js'
import { isTagName } from './time-address.js'
import type { TimeCalls } from './time-calls.js'

/** A moment that was given a name, in the logs of all shards. */
export interface Tag {
  readonly name: string
  readonly moment: ResolvedMoment['moment']
  /** When it was given. */
  readonly lamport: number
  readonly wallMs: number
  readonly actor: string
}

/**
 * What is older than every bound may be dropped; the newest entry of a key never is, nor what a tag names. A bound that is
 * absent or 0 is none.
 */
export interface RetentionRule {
  /** Keys that begin so; of several rules the one with the longest prefix that fits. Empty: all others. */
  readonly prefix?: string | Uint8Array | undefined
  readonly ageMs?: number | undefined
  /** Newest entries of a shard. */
  readonly entries?: number | undefined
}

/** Gives a moment a name. */
export async function addTag(
  calls: TimeCalls,
  name: string,
  asked: AskedMoment,
  bounds: CallBounds,
): Promise<Tag> {
  if (!isTagName(name)) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} cannot name a moment, expected a letter and up to 127 more printable characters ` +
        'without "/" and spaces',
    )
  }
  const { core } = calls
  // Resolved first: a repeat must name the same moment, whatever was committed meanwhile.
  const { moment } = await calls.resolve(asked, bounds)
  const request = { name, moment: wireTime(moment), actor: core.actor }
  return tagOf(
    calls,
    await askAny<WireTag>(core, `the tag ${name}`, bounds, (peer, done) =>
      peer.timeTravel.addTag(request, done),
    ),
  )
}

/** Takes a name away; whether it was there. */
export async function removeTag({ core }: TimeCalls, name: string, bounds: CallBounds): Promise<boolean> {
  const request = { name, actor: core.actor }
  const what = `removing the tag ${name}`
  const { removed } = await askAny<RemoveTagResponse>(core, what, bounds, (peer, done) =>
    peer.timeTravel.removeTag(request, done),
  )
  return removed
}

/** By name. */
export async function listTags(calls: TimeCalls, bounds: CallBounds): Promise<Tag[]> {
  const { tags } = await askAny<ListTagsResponse>(calls.core, 'the list of tags', bounds, (peer, done) =>
    peer.timeTravel.listTags({}, done),
  )
  return tags.map(tag => tagOf(calls, tag))
}

/** The rules that are in force. */
export async function getRetention({ core }: TimeCalls, bounds: CallBounds): Promise<RetentionRule[]> {
  return rulesOf(
    await askAny<Retention>(core, 'the rules of retention', bounds, (peer, done) =>
      peer.timeTravel.getRetention({}, done),
    ),
  )
}

/** Replaces all rules. */
export async function setRetention(
  { core }: TimeCalls,
  rules: readonly RetentionRule[],
  bounds: CallBounds,
): Promise<RetentionRule[]> {
  const retention: Retention = {
    rules: rules.map(({ prefix = '', ageMs = 0, entries = 0 }) => ({
      prefix: Buffer.from(prefix as string),
      ageMs: checkBound(ageMs, 'ageMs'),
      entries: checkBound(entries, 'entries'),
    })),
  }
  const request = { retention, actor: core.actor }
  return rulesOf(
    await askAny<Retention>(core, 'setting the rules of retention', bounds, (peer, done) =>
      peer.timeTravel.setRetention(request, done),
    ),
  )
}

function tagOf({ core }: TimeCalls, { name, moment, stamp, actor }: WireTag): Tag {
  const { lamport = 0, wallMs = 0 } = stamp ?? {}
  core.tokens.observeStamp(lamport, wallMs)
  return { name, moment: timeOf(moment), lamport, wallMs, actor }
}

function rulesOf({ rules }: Retention): RetentionRule[] {
  return rules.map(({ prefix, ageMs, entries }) => ({
    prefix,
    ...(ageMs === 0 ? {} : { ageMs }),
    ...(entries === 0 ? {} : { entries }),
  }))
}

function checkBound(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${what} is ${String(value)}, expected a whole number (0: no bound)`,
  )
}
