import test from 'ava'
import fc from 'fast-check'
import { ScanRequest, type ScanResponse } from '../../src/generated/varve/v1/kv.js'
import { mergePages } from '../../src/node/scan-merge.js'

const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 40 })

/** Page of what a shard holds, as a replica gives it. */
function pageOf(held: readonly Buffer[], request: ScanRequest, limit: number): ScanResponse {
  const sign = request.reverse ? -1 : 1
  const inRange = held
    .filter(key => Buffer.compare(key, request.start) >= 0)
    .filter(key => request.end.length === 0 || Buffer.compare(key, request.end) < 0)
    .sort((a, b) => sign * Buffer.compare(a, b))
  const items = inRange.slice(0, limit).map(key => ({ key, value: Buffer.alloc(0), position: undefined }))
  return { items, more: items.length < inRange.length, appliedIndex: 0, node: '', cuts: [] }
}

test('pages merged one after the other give each key once and in order, however the shards cut theirs', t => {
  const shape = fc.record({
    keys,
    shards: fc.integer({ min: 1, max: 4 }),
    limit: fc.integer({ min: 1, max: 9 }),
    cuts: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }),
    reverse: fc.boolean(),
  })
  fc.assert(
    fc.property(shape, ({ keys, shards, limit, cuts, reverse }) => {
      const held = Array.from({ length: shards }, (_, shard) =>
        keys.filter((_key, at) => at % shards === shard).map(key => Buffer.from(key)),
      )
      const found: string[] = []
      let request = { ...ScanRequest.decode(new Uint8Array()), limit, reverse }
      for (let rounds = 0; rounds < 200; rounds += 1) {
        const pages = held.map((own, shard) => pageOf(own, request, Math.min(limit, cuts[shard]!)))
        const page = mergePages(pages, request, '')
        t.true(page.items.length <= limit)
        found.push(...page.items.map(({ key }) => key.toString('hex')))
        if (!page.more) break
        const last = page.items.at(-1)!.key
        request = reverse
          ? { ...request, end: last }
          : { ...request, start: Buffer.concat([last, Buffer.of(0)]) }
      }
      const all = keys.map(key => Buffer.from(key)).sort(Buffer.compare)
      if (reverse) all.reverse()
      t.deepEqual(
        found,
        all.map(key => key.toString('hex')),
      )
    }),
  )
})
