/** What a timeline does to a cluster: who it happens to, what, and when. */

import { z } from 'zod'
import { splitAddress } from '../../../src/node/address.js'
import { strictFields } from '../../../src/node/schema-issue.js'
import { ROLE_NAMES, type RoleName } from '../../replica-role.js'
import type { FaultAction } from '../record/events.js'
import { text } from '../workload/fields.js'
import { moment } from './fields.js'

/** Who a fault is done to. */
export type FaultTarget =
  /** Whoever has that role in the shard when its time has come. */
  | { readonly kind: 'role'; readonly role: RoleName }
  | { readonly kind: 'address'; readonly address: string }
  /** A node by its number in the configuration, from 1: `n3`. */
  | { readonly kind: 'number'; readonly number: number }
  /** Whom the fault before this one was done to that this one undoes: `start` a `kill`, `resume` a `pause`, `join` a `leave`. */
  | { readonly kind: 'last' }
  /** All that are down (`start` only). */
  | { readonly kind: 'all' }
  | { readonly kind: 'coordinator' }

/** One fault of a timeline. */
export interface Fault {
  /** Since the load began. */
  readonly atMs: number
  readonly action: FaultAction
  readonly target: FaultTarget
  /** As it was written. */
  readonly targetText: string
  /** Whose role is meant; undefined: the only shard's, or the first one's. */
  readonly shard: string | undefined
}

/** In words what each does, for help and messages. */
export const FAULT_ACTIONS: Readonly<Record<FaultAction, string>> = {
  kill: 'ends a process at once (SIGKILL)',
  stop: 'ends it in order: it flushes and says goodbye',
  start: 'starts it again on its data',
  pause: 'makes it silent with all connections open (SIGSTOP)',
  resume: 'lets it go on',
  leave: 'takes a node out of its shards after it has handed over',
  join: 'lets a node that left hold replicas again',
}

const ACTIONS = Object.keys(FAULT_ACTIONS) as FaultAction[]
const WHO = 'allowed are HEAD, MIDDLE, TAIL, LEAF, n1, n2 ..., an address, coordinator, last and all'
const target = () => z.optional(z.string({ error: WHO }))

/** A fault as it is written: `{ at: 5s, kill: HEAD, shard: shard_0 }`. */
export const faultSchema = strictFields(
  {
    at: moment(),
    kill: target(),
    stop: target(),
    start: target(),
    pause: target(),
    resume: target(),
    leave: target(),
    join: target(),
    shard: z.optional(text(64, 1)),
  },
  'a fault is an object',
).transform((given, context): Fault => {
  const actions = ACTIONS.filter(name => given[name] !== undefined)
  const [action] = actions
  if (action === undefined || actions.length > 1) {
    const found = actions.length > 1 ? `${actions.join(' and ')} in one` : 'no action'
    context.addIssue({ code: 'custom', message: `${found}, expected one of ${ACTIONS.join(', ')}` })
    return z.NEVER
  }
  const text = given[action]!
  const meant = parseFaultTarget(text)
  const problem = meant === undefined ? WHO : wrongFor(action, meant)
  if (problem !== undefined) context.addIssue({ code: 'custom', path: [action], message: problem })
  if (meant === undefined) return z.NEVER
  return { atMs: given.at, action, target: meant, targetText: text, shard: given.shard }
})

function parseFaultTarget(text: string): FaultTarget | undefined {
  const role = ROLE_NAMES.find(name => name === text.toUpperCase())
  if (role !== undefined) return { kind: 'role', role }
  if (text === 'last' || text === 'all' || text === 'coordinator') return { kind: text }
  const number = /^n([1-9][0-9]{0,4})$/.exec(text)?.[1]
  if (number !== undefined) return { kind: 'number', number: Number(number) }
  return splitAddress(text) === undefined ? undefined : { kind: 'address', address: text }
}

/** Why that action cannot be done to such a target; undefined where it can. */
function wrongFor(action: FaultAction, { kind }: FaultTarget): string | undefined {
  const undoes = action === 'start' || action === 'resume' || action === 'join'
  if (kind === 'last' && !undoes) return `expected who is meant: only start, resume and join know a last one`
  if (kind === 'all' && action !== 'start') return 'expected one process: only start takes all that are down'
  if (kind === 'role' && undoes)
    return 'expected last, n1, n2 ... or an address: who is down or out has no role'
  if (kind === 'coordinator' && (action === 'leave' || action === 'join')) {
    return `expected a node: a coordinator holds no replica`
  }
  return undefined
}
