import test from 'ava'
import { decodeTag, encodeTag, tagNameFault } from '../../src/projection/tags.js'

test('a tag read back is the tag that was written', t => {
  for (const moment of [
    { kind: 'wall', wallMs: 1_700_000_000_000 },
    { kind: 'lamport', lamport: 81_234 },
  ] as const) {
    const value = { moment, actor: 'ada "the first"' }
    t.deepEqual(decodeTag(encodeTag(value)), value)
  }
})

test('what is no tag is not taken for one', t => {
  for (const text of [
    '',
    '{}',
    'null',
    '[]',
    '{"moment":{"wallMs":-1},"actor":""}',
    '{"moment":{"lamport":1}}',
  ]) {
    t.is(decodeTag(Buffer.from(text)), undefined)
  }
})

test('a tag has a name that can be typed and read', t => {
  for (const name of ['before-deploy', 'v1.2', 'ä', 'x'.repeat(128), '日本'])
    t.is(tagNameFault(name), undefined)
  for (const name of ['', 'a b', 'a/b', 'x'.repeat(129), 'a\n', '\0', 'a\u00a0b', '\ud800']) {
    t.regex(tagNameFault(name) ?? '', /a tag's name is .*expected 1 to 128/)
  }
})
