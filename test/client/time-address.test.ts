import test from 'ava'
import fc from 'fast-check'
import { parseTimeAddress, type TimeAddress } from '../../src/client/time-address.js'

const now = Date.parse('2026-05-04T10:00:00Z')
const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const wall = (wallMs: number): TimeAddress => ({ kind: 'wall', wallMs })

const understood: [text: string, address: TimeAddress][] = [
  ['start', { kind: 'start' }],
  [' now ', { kind: 'now' }],
  ['512', { kind: 'index', index: 512 }],
  ['index:512', { kind: 'index', index: 512 }],
  ['index:shard_0/512', { kind: 'index', index: 512, shard: 'shard_0' }],
  ['lamport:0', { kind: 'lamport', lamport: 0 }],
  ['1777888800000', wall(1_777_888_800_000)],
  ['90s ago', wall(now - 90_000)],
  ['250ms ago', wall(now - 250)],
  ['2h30m ago', wall(now - 2 * hour - 30 * minute)],
  ['1d 2h ago', wall(now - day - 2 * hour)],
  ['1.5h  ago', wall(now - 1.5 * hour)],
  ['2w ago', wall(now - 14 * day)],
  ['99999w ago', wall(0)],
  ['2026-05-04', wall(now - 10 * hour)],
  ['2026-05-04T09:30', wall(now - 30 * minute)],
  ['2026-05-04 09:30:00.1239z', wall(now - 30 * minute + 123)],
  ['2026-05-04t09:30:00-01:30', wall(now + hour)],
  ['1969-12-31T23:59:59Z', wall(0)],
  ['before-deploy', { kind: 'tag', name: 'before-deploy' }],
  ['v1.2:rc', { kind: 'tag', name: 'v1.2:rc' }],
  ['tag:now', { kind: 'tag', name: 'now' }],
  ['größe', { kind: 'tag', name: 'größe' }],
]

for (const [text, address] of understood) {
  test(`"${text}" is a moment`, t => t.deepEqual(parseTimeAddress(text, now), address))
}

const refused = [
  '',
  '5m',
  '5m5 ago',
  '5x ago',
  '-5m ago',
  '-1',
  '99999999999999999999',
  'index:',
  'index:a/b',
  'lamport:x',
  'tag:',
  'tag:7up',
  'two words',
  'a/b',
  'a\u0007',
  `a${'b'.repeat(128)}`,
  '2026-13-45',
  '2026-02-30',
  '2026-05-04T24:00:00Z',
  '2026-05-04T10:60:00Z',
  '2026-05-04T10:00:00+25:00',
  '2026-05-04T10:00:00 PST',
]

for (const text of refused) {
  test(`${JSON.stringify(text)} is refused, and the error shows what is accepted`, t => {
    const error = t.throws(() => parseTimeAddress(text, now), { code: 'INVALID_ARGUMENT' })
    for (const form of ['start', 'index:shard_0/512', 'lamport:', 'RFC 3339', 'epoch ms', '5m ago', 'tag:'])
      t.true(error.message.includes(form), form)
  })
}

test('every wall time that Varve prints is read back as it was, whatever its offset', t => {
  const moments = fc.integer({ min: 0, max: Date.parse('2099-12-31') })
  const offsets = fc.integer({ min: -14 * 60, max: 14 * 60 })
  fc.assert(
    fc.property(moments, offsets, (wallMs, offset) => {
      t.deepEqual(parseTimeAddress(new Date(wallMs).toISOString(), now), wall(wallMs))
      const pad = (value: number) => String(Math.floor(value)).padStart(2, '0')
      const sign = offset < 0 ? '-' : '+'
      const shift = Math.abs(offset)
      const local = new Date(wallMs + offset * minute).toISOString().slice(0, -1)
      if (!/^\d{4}-/.test(local) || local < '1970') return
      const text = `${local}${sign}${pad(shift / 60)}:${pad(shift % 60)}`
      t.deepEqual(parseTimeAddress(text, now), wall(wallMs))
    }),
  )
})

test('spans of time add up in any order, with or without spaces between', t => {
  const units = { ms: 1, s: 1_000, m: minute, h: hour, d: day, w: 7 * day }
  const span = fc.tuple(
    fc.nat({ max: 99 }),
    fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
  )
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 5 }), fc.boolean(), (spans, spaced) => {
      const ageMs = spans.reduce((sum, [count, unit]) => sum + count * units[unit], 0)
      const text = spans.map(([count, unit]) => `${count}${unit}`).join(spaced ? ' ' : '')
      t.deepEqual(parseTimeAddress(`${text} ago`, now), wall(now - ageMs))
    }),
  )
})

test('any text is either read or refused with the forms', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      try {
        parseTimeAddress(text, now)
      } catch (error) {
        t.is((error as { code?: string }).code, 'INVALID_ARGUMENT')
      }
    }),
  )
  t.pass()
})
