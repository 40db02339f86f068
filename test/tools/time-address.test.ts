import test from 'ava'
import { parseTimeAddress, type TimeAddress } from '../../tools/time-address.js'

const now = Date.parse('2026-05-04T10:00:00Z')

const understood: [text: string, address: TimeAddress][] = [
  ['start', { kind: 'start' }],
  ['now', { kind: 'now' }],
  ['512', { kind: 'index', index: 512 }],
  ['index:512', { kind: 'index', index: 512 }],
  ['index:shard_0/512', { kind: 'index', index: 512, shard: 'shard_0' }],
  ['lamport:81234', { kind: 'lamport', lamport: 81_234 }],
  ['1777888800000', { kind: 'wall', wallMs: 1_777_888_800_000 }],
  ['5m ago', { kind: 'wall', wallMs: now - 300_000 }],
  ['1.5h ago', { kind: 'wall', wallMs: now - 5_400_000 }],
  ['2026-05-04T09:30:00Z', { kind: 'wall', wallMs: now - 1_800_000 }],
  ['2026-05-04T11:30:00.5+02:00', { kind: 'wall', wallMs: now - 1_799_500 }],
  ['before-deploy', { kind: 'tag', name: 'before-deploy' }],
]

for (const [text, address] of understood) {
  test(`"${text}" is a moment`, t => {
    t.deepEqual(parseTimeAddress(text, '--from', now), address)
  })
}

for (const text of [
  '',
  'yesterday evening',
  '5m',
  'index:',
  'index:a/b',
  'lamport:x',
  '2026-13-45',
  '-1',
  '99999999999999999999',
]) {
  test(`"${text}" is refused, naming the option and what is allowed`, t => {
    t.throws(() => parseTimeAddress(text, '--from', now), {
      message: /^--from: ".*" given, allowed is start, now, an index/,
    })
  })
}
