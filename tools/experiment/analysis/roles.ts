/** Who was what in a shard over time, as the coordinator's memberships say. */

import type { MembershipEvent } from '../record/events.js'
import type { RecordedRun } from '../record/recorded-run.js'

/** `waiting` is who belongs to a membership that does not serve yet; `out` is who belongs to none. */
export type Role = 'head' | 'middle' | 'tail' | 'leaf' | 'learner' | 'waiting' | 'out'

export interface RoleSpan {
  readonly shard: string
  readonly node: string
  readonly role: Role
  readonly fromMs: number
  readonly toMs: number
}

/** Until `toMs`, for every node that a shard ever had: by shard, node in the order of appearance, and time. */
export function roleSpans(run: RecordedRun, toMs: number): RoleSpan[] {
  const shards = [...new Set(run.memberships.map(({ shard }) => shard))]
  return shards.flatMap(shard => {
    const memberships = run.memberships.filter(each => each.shard === shard && each.atMs < toMs)
    const nodes = new Set(memberships.flatMap(({ members, learners }) => [...members, ...learners]))
    return [...nodes].flatMap(node => spansOf(node, memberships, run.about.topology, toMs))
  })
}

function spansOf(
  node: string,
  memberships: readonly MembershipEvent[],
  topology: RecordedRun['about']['topology'],
  toMs: number,
): RoleSpan[] {
  const spans: RoleSpan[] = []
  for (const [place, membership] of memberships.entries()) {
    const role = roleIn(membership, node, topology)
    const until = memberships[place + 1]?.atMs ?? toMs
    const last = spans.at(-1)
    if (last?.role === role) spans[spans.length - 1] = { ...last, toMs: until }
    else spans.push({ shard: membership.shard, node, role, fromMs: membership.atMs, toMs: until })
  }
  return spans
}

function roleIn(membership: MembershipEvent, node: string, topology: RecordedRun['about']['topology']): Role {
  const { status, head, members, learners } = membership
  if (learners.includes(node)) return 'learner'
  if (!members.includes(node)) return 'out'
  if (status !== 'ACTIVE') return 'waiting'
  if (node === head) return 'head'
  if (topology === 'star') return 'leaf'
  return node === members.at(-1) ? 'tail' : 'middle'
}
