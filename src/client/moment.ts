/** Moments, as callers give them and as the cluster answers them. */
import type {
  ResolveResponse,
  Cut as WireCut,
  Moment as WireMoment,
} from '../generated/varve/v1/time_travel.js'
import { VarveError } from './errors.js'
import { parseTimeAddress, TIME_ADDRESS_FORMS, type TimeAddress } from './time-address.js'

/** Below this nothing of a shard can be read any more: it was dropped by retention. */
export interface Horizon {
  /** What was there at this index can still be read. */
  readonly index: number
  /** Of the entry at that index; 0 where it is not known any more. */
  readonly lamport: number
  readonly wallMs: number
  /** When what was below it was dropped, epoch ms; 0 where that is not known. */
  readonly droppedMs: number
}

/** Where one shard stood at a moment: all its entries up to the index, and none above. Never changes. */
export interface Cut {
  /** 0: the shard had no entry yet. */
  readonly index: number
  readonly epoch: number
  /** Of the entry at the index. */
  readonly lamport: number
  readonly wallMs: number
  /** As it was when this was asked. Absent where nothing was dropped. */
  readonly horizon?: Horizon
}

/** What a moment came to: plain data, fit for JSON. It may be given wherever a moment may, and is the same forever. */
export interface ResolvedMoment {
  readonly moment: { readonly wallMs: number } | { readonly lamport: number }
  /** By shard name, in the order of the shards' ordinals. */
  readonly cuts: Readonly<Record<string, Cut>>
}

/**
 * A moment: an address as people type it (docs/client.md), epoch ms, a Date, a stamp's time, an entry (in every shard
 * its Lamport time), a tag, or what `resolve` answered.
 */
export type At =
  | string
  | number
  | Date
  | { readonly wallMs: number }
  | { readonly lamport: number }
  | { readonly shard: string; readonly index: number }
  | { readonly tag: string }
  | ResolvedMoment

/** A moment that is ready to be asked for: `start` is before all entries. */
export type AskedMoment =
  | { readonly kind: 'start' }
  | { readonly kind: 'resolved'; readonly resolved: ResolvedMoment }
  | {
      readonly kind: 'wire'
      readonly moment: WireMoment
      /** The text, where it was taken for a tag only since it is nothing else. */
      readonly maybeTag?: string
    }

/** The newest moment: what is committed when it is asked for. */
export const NEWEST: AskedMoment = { kind: 'wire', moment: { moment: { $case: 'newest', value: true } } }

/**
 * Reads a moment; undefined is the newest. `nowMs` is what "ago" counts from. Throws INVALID_ARGUMENT for what is none,
 * UNKNOWN_SHARD for a shard that is not in `shards`.
 */
export function askedMoment(at: At | undefined, nowMs: number, shards: readonly string[]): AskedMoment {
  if (at === undefined) return NEWEST
  if (typeof at === 'string') return ofText(at, nowMs, shards)
  if (typeof at === 'number') return ofWall(at)
  if (at instanceof Date) return ofWall(at.getTime())
  if (typeof at === 'object' && at !== null) {
    if ('cuts' in at) return { kind: 'resolved', resolved: at }
    if ('shard' in at) return ofIndex(at.shard, at.index, shards)
    if ('wallMs' in at) return ofWall(at.wallMs)
    if ('lamport' in at) return ofLamport(at.lamport)
    if ('tag' in at && typeof at.tag === 'string') return wire({ $case: 'tag', value: at.tag })
  }
  throw invalid(
    `the moment is ${JSON.stringify(at)}, expected an address, epoch ms, a Date or an object of one`,
  )
}

/** What `Resolve` answered. */
export function resolvedOf({ moment, cuts }: ResolveResponse): ResolvedMoment {
  return {
    moment: timeOf(moment),
    cuts: Object.fromEntries(cuts.map(cut => [cut.shard, cutOf(cut)])),
  }
}

/** A moment that the cluster answered: a wall or a Lamport time. */
export function timeOf(moment: WireMoment | undefined): ResolvedMoment['moment'] {
  const asked = moment?.moment
  if (asked?.$case === 'wallMs') return { wallMs: asked.value }
  if (asked?.$case === 'lamport') return { lamport: asked.value }
  throw new VarveError('INTERNAL', `a moment was answered with ${asked?.$case ?? 'nothing'}`)
}

/** A wall or Lamport time on the wire. */
export function wireTime(moment: ResolvedMoment['moment']): WireMoment {
  const value =
    'wallMs' in moment
      ? ({ $case: 'wallMs', value: moment.wallMs } as const)
      : ({ $case: 'lamport', value: moment.lamport } as const)
  return { moment: value }
}

/** What a shard held at an index, on the wire. */
export function indexMoment(shard: string, index: number): WireMoment {
  return { moment: { $case: 'index', value: { shard, index } } }
}

/** A shard's cut, as it was answered. */
export function cutOf(cut: WireCut): Cut {
  const { index, epoch, stamp, horizonIndex, horizonStamp, horizonWrittenMs } = cut
  const horizon = {
    index: horizonIndex,
    lamport: horizonStamp?.lamport ?? 0,
    wallMs: horizonStamp?.wallMs ?? 0,
    droppedMs: horizonWrittenMs,
  }
  return {
    index,
    epoch,
    lamport: stamp?.lamport ?? 0,
    wallMs: stamp?.wallMs ?? 0,
    ...(horizonIndex === 0 ? {} : { horizon }),
  }
}

/** The shard's cut; INVALID_ARGUMENT where the moment was resolved for others only. */
export function cutIn(resolved: ResolvedMoment, shard: string): Cut {
  const cut = resolved.cuts[shard]
  if (cut !== undefined) return cut
  throw new VarveError(
    'INVALID_ARGUMENT',
    `the moment was not resolved for ${shard}: resolve it for all shards`,
  )
}

/** The error for an answer that says nothing of the moment that was asked for: it is of now. */
export function answersNow(node: string): VarveError {
  return new VarveError('UNIMPLEMENTED', `${node} is of an earlier version, which cannot read the past`)
}

/** The error that a moment was answered with: a word that names no tag was perhaps not meant as one. */
export function momentError(asked: AskedMoment, error: unknown): unknown {
  const { code, message } = error as VarveError
  if (asked.kind !== 'wire' || asked.maybeTag === undefined || code !== 'FAILED_PRECONDITION') return error
  const text = `${message}; a time is ${TIME_ADDRESS_FORMS}`
  return new VarveError('FAILED_PRECONDITION', text, { cause: error })
}

function ofText(text: string, nowMs: number, shards: readonly string[]): AskedMoment {
  const asked = ofAddress(parseTimeAddress(text, nowMs), shards)
  const isWord = asked.kind === 'wire' && asked.moment.moment?.$case === 'tag' && !/^\s*tag:/.test(text)
  return isWord ? { ...asked, maybeTag: text } : asked
}

function ofAddress(address: TimeAddress, shards: readonly string[]): AskedMoment {
  switch (address.kind) {
    case 'start':
      return address
    case 'now':
      return NEWEST
    case 'wall':
      return ofWall(address.wallMs)
    case 'lamport':
      return ofLamport(address.lamport)
    case 'tag':
      return wire({ $case: 'tag', value: address.name })
    case 'index': {
      if (address.shard === undefined && shards.length > 1) {
        throw invalid(
          `an index counts in one shard: index:${shards[0]}/${address.index}, or another of ${shards.join(', ')}`,
        )
      }
      return ofIndex(address.shard ?? shards[0]!, address.index, shards)
    }
  }
}

function ofIndex(shard: string, index: number, shards: readonly string[]): AskedMoment {
  if (!shards.includes(shard)) {
    throw new VarveError(
      'UNKNOWN_SHARD',
      `the moment names shard ${JSON.stringify(shard)}, the cluster has: ${shards.join(', ')}`,
    )
  }
  return wire({ $case: 'index', value: { shard, index: wholeNumber(index, 'index') } })
}

function ofWall(wallMs: number): AskedMoment {
  if (typeof wallMs !== 'number' || !Number.isSafeInteger(Math.floor(wallMs)))
    throw invalid(`the moment is ${String(wallMs)}, expected epoch ms`)
  // Before all times is as good as before all entries.
  return wire({ $case: 'wallMs', value: Math.max(0, Math.floor(wallMs)) })
}

function ofLamport(lamport: number): AskedMoment {
  return wire({ $case: 'lamport', value: wholeNumber(lamport, 'Lamport time') })
}

function wire(moment: NonNullable<WireMoment['moment']>): AskedMoment {
  return { kind: 'wire', moment: { moment } }
}

function wholeNumber(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`the moment's ${what} is ${String(value)}, expected a whole number`)
}

function invalid(message: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', message)
}
