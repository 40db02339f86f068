/** What is computed of memberships: roles and failovers. */
import test from 'ava'
import { failovers } from '../../tools/experiment/analysis/failovers.js'
import { roleSpans } from '../../tools/experiment/analysis/roles.js'
import type { FaultEvent, MembershipEvent } from '../../tools/experiment/record/events.js'
import { smallRun } from './support/small-run.js'

function membership(
  atMs: number,
  status: string,
  members: string[],
  learners: string[] = [],
): MembershipEvent {
  const head = status === 'ACTIVE' ? members[0]! : ''
  return { type: 'membership', run: 'small', atMs, shard: 's', epoch: 1, status, head, members, learners }
}

function kill(atMs: number, node: string): FaultEvent {
  return { type: 'fault', run: 'small', atMs, action: 'kill', target: 'HEAD', node, shard: 's', tookMs: 1 }
}

const memberships = [
  membership(0, 'ACTIVE', ['a', 'b', 'c']),
  membership(500, 'PROPOSED', ['b', 'c']),
  membership(520, 'ACTIVE', ['b', 'c']),
  membership(800, 'ACTIVE', ['b', 'c'], ['a']),
  membership(900, 'ACTIVE', ['b', 'c', 'a']),
]

test('roles follow the memberships: head, middle and tail, waiting while nobody serves, learner, out', t => {
  const spans = roleSpans(smallRun({ memberships }), 1_000)
  const of = (node: string) =>
    spans.filter(each => each.node === node).map(each => [each.role, each.fromMs, each.toMs])
  t.deepEqual(of('a'), [
    ['head', 0, 500],
    ['out', 500, 800],
    ['learner', 800, 900],
    ['tail', 900, 1_000],
  ])
  t.deepEqual(of('b'), [
    ['middle', 0, 500],
    ['waiting', 500, 520],
    ['head', 520, 1_000],
  ])
  t.deepEqual(of('c').at(-1), ['middle', 900, 1_000])
})

test('in a star all but the head are leaves', t => {
  const about = { ...smallRun().about, topology: 'star' } as const
  const spans = roleSpans(smallRun({ about, memberships: memberships.slice(0, 1) }), 10)
  t.deepEqual(
    spans.map(({ role }) => role),
    ['head', 'leaf', 'leaf'],
  )
})

test('a failover lasts from the fault of the old head until the new head serves', t => {
  const faults = [kill(300, 'c'), kill(430, 'a')]
  t.deepEqual(failovers(smallRun({ memberships, faults })), [
    { shard: 's', from: 'a', to: 'b', fromMs: 430, toMs: 520 },
  ])
})

test('without a fault a failover begins with the first membership that does not serve', t => {
  t.is(failovers(smallRun({ memberships }))[0]!.fromMs, 500)
})

test('a membership that keeps the head is no failover', t => {
  t.deepEqual(failovers(smallRun({ memberships: memberships.slice(2), faults: [kill(700, 'c')] })), [])
})
