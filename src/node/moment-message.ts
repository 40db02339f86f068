/** Moments as requests say them, checked; and as answers say them. */
import { VarveError } from '../client/errors.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import type { Moment as MomentMessage } from '../generated/varve/v1/time_travel.js'
import type { Moment } from '../log/moment.js'
import { LAMPORT_MAX, WALL_MS_MAX } from '../log/stamp.js'
import { tagNameFault } from '../projection/tags.js'
import { ordinalOf } from './shard-names.js'

/** A moment that is the same for all shards. */
export type CommonMoment = Exclude<Moment, { kind: 'index' }>

/** What a request asks for. An index names the shard (ordinal) that it counts in. */
export type AskedMoment =
  | CommonMoment
  | { readonly kind: 'index'; readonly index: number; readonly shard: number }
  | { readonly kind: 'tag'; readonly name: string }
  | { readonly kind: 'newest' }

/** The moment of a request. Throws `VarveError` INVALID_ARGUMENT, UNKNOWN_SHARD. */
export function askedMoment(message: MomentMessage | undefined, map: ShardMap): AskedMoment {
  const moment = message?.moment
  switch (moment?.$case) {
    case 'wallMs':
      check(moment.value, WALL_MS_MAX, 'a wall time', 'milliseconds since 1970')
      return { kind: 'wall', wallMs: moment.value }
    case 'lamport':
      check(moment.value, LAMPORT_MAX, 'a Lamport time', 'a number')
      return { kind: 'lamport', lamport: moment.value }
    case 'index':
      return { kind: 'index', index: moment.value.index, shard: ordinalOf(moment.value.shard, map) }
    case 'tag':
      checkTagName(moment.value)
      return { kind: 'tag', name: moment.value }
    case 'newest':
      return { kind: 'newest' }
    default: {
      const forms = 'wall_ms, lamport, index (with its shard), tag or newest'
      throw new VarveError('INVALID_ARGUMENT', `a moment says nothing, expected one of: ${forms}`)
    }
  }
}

/** A moment that is the same for all shards, as a message. */
export function commonMessage(moment: CommonMoment): MomentMessage {
  return moment.kind === 'wall'
    ? { moment: { $case: 'wallMs', value: moment.wallMs } }
    : { moment: { $case: 'lamport', value: moment.lamport } }
}

/** A moment of the shard `name`, as a message. */
export function shardMessage(name: string, moment: Moment): MomentMessage {
  if (moment.kind !== 'index') return commonMessage(moment)
  return { moment: { $case: 'index', value: { shard: name, index: moment.index } } }
}

/** What is committed now. */
export const NEWEST: MomentMessage = { moment: { $case: 'newest', value: true } }

/** Throws `VarveError` INVALID_ARGUMENT for what cannot be a tag's name. */
export function checkTagName(name: string): void {
  const fault = tagNameFault(name)
  if (fault !== undefined) throw new VarveError('INVALID_ARGUMENT', fault)
}

function check(value: number, max: number, what: string, unit: string): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return
  throw new VarveError('INVALID_ARGUMENT', `${what} of ${value}: expected ${unit} from 0 to ${max}`)
}
