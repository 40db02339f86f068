/** Timelines that cannot happen are refused before anything starts. */
import test from 'ava'
import { CommandError } from '../../tools/exit-codes.js'
import { checkTimeline, type TimelineShape } from '../../tools/experiment/description/timeline-check.js'
import { readExperimentValue } from '../../tools/experiment/description/variants.js'

const nodes = ['127.0.0.1:5001', '127.0.0.1:5002', '127.0.0.1:5003']
const chain: TimelineShape = {
  topology: 'chain',
  coordinator: '127.0.0.1:5000',
  nodes,
  shards: { shard_0: nodes },
  restarts: false,
  loadMs: 60_000,
}
const star: TimelineShape = { ...chain, topology: 'star' }

/** Faults a second apart. */
function check(faults: readonly Record<string, string>[], shape: TimelineShape = chain): void {
  const timed = faults.map((fault, at) => ({ at: at + 1, ...fault }))
  const { variants } = readExperimentValue(
    { name: 'x', workload: { kind: 'normal', operations: 1 }, faults: timed },
    'x',
  )
  checkTimeline(variants[0]!.description.faults, shape, 'x')
}

test('what can happen passes', t => {
  t.notThrows(() => check([{ kill: 'HEAD' }, { kill: 'TAIL' }, { start: 'all' }, { kill: 'MIDDLE' }]))
  t.notThrows(() => check([{ kill: 'n2' }, { start: 'n2' }, { pause: 'TAIL' }, { resume: 'last' }]))
  t.notThrows(() =>
    check([{ leave: '127.0.0.1:5003' }, { join: 'last' }, { kill: 'coordinator' }, { start: 'coordinator' }]),
  )
  t.notThrows(() => check([{ kill: 'HEAD' }, { kill: 'HEAD' }, { kill: 'HEAD' }]))
  t.notThrows(() => check([{ kill: 'LEAF' }, { kill: 'LEAF' }], star))
})

const refused: readonly [string, readonly Record<string, string>[], TimelineShape, RegExp][] = [
  [
    'killing the middle of a chain of two',
    [{ kill: 'TAIL' }, { kill: 'MIDDLE' }],
    chain,
    /faults\[1\]: kill MIDDLE .*a chain of 2 then and has no MIDDLE/,
  ],
  ['killing the tail of a star', [{ kill: 'TAIL' }], star, /a star of 3 then and has no TAIL/],
  ['killing who is dead', [{ kill: 'n1' }, { kill: 'n1' }], chain, /127\.0\.0\.1:5001 is down then/],
  ['starting who runs', [{ start: 'n1' }], chain, /127\.0\.0\.1:5001 runs then/],
  ['starting the last when nobody fell', [{ start: 'last' }], chain, /nobody is down then/],
  ['starting all when nobody fell', [{ start: 'all' }], chain, /nobody is down then/],
  ['resuming who is awake', [{ resume: 'n1' }], chain, /is not paused then/],
  ['joining who never left', [{ join: 'n1' }], chain, /has not left/],
  [
    'the last one leaving',
    [{ leave: 'n1' }, { leave: 'n2' }, { leave: 'n3' }],
    chain,
    /the last one cannot leave/,
  ],
  ['a node that is not there', [{ kill: 'n4' }], chain, /there is no such node, the cluster has n1 .* to n3/],
  ['an address that is not there', [{ kill: '127.0.0.1:9' }], chain, /there is no such node/],
  [
    'a shard that is not there',
    [{ kill: 'HEAD', shard: 'shard_7' }],
    chain,
    /there is no shard "shard_7", the cluster has shard_0/,
  ],
  [
    'a fault before the one above it',
    [{ kill: 'n1' }, { at: '0.5s', kill: 'n2' }],
    chain,
    /expected them in the order of time/,
  ],
  [
    'a fault after the load',
    [{ at: '61s', kill: 'n1' }],
    chain,
    /at 61000 ms, but the load ends after 60000 ms/,
  ],
  [
    'starting what starts by itself',
    [{ kill: 'n1' }, { start: 'n1' }],
    { ...chain, restarts: true },
    /started again by itself/,
  ],
]

for (const [what, faults, shape, message] of refused) {
  test(`${what} is refused`, t => {
    const error = t.throws(() => check(faults, shape), { instanceOf: CommandError })
    t.regex(error!.message, message)
    t.is(error!.exitCode, 2)
  })
}

test('who comes back does so at the end of the chain', t => {
  // n1 is the tail after its return: killing the tail twice more leaves n2 alone.
  t.notThrows(() => check([{ kill: 'HEAD' }, { start: 'last' }, { kill: 'TAIL' }, { start: 'n1' }]))
  t.throws(() => check([{ kill: 'HEAD' }, { start: 'last' }, { kill: 'TAIL' }, { start: 'n3' }]), {
    message: /127\.0\.0\.1:5003 runs then/,
  })
})
