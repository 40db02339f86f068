import test from 'ava'
import fc from 'fast-check'
import { UndoRing } from '../../src/projection/undo-ring.js'

test('an undo ring is a double-ended list, whatever it grows and shrinks through', t => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ push: fc.nat(900), first: fc.nat(900), last: fc.nat(900) }), { maxLength: 30 }),
      rounds => {
        const ring = new UndoRing(2)
        const model: number[] = []
        let next = 1
        for (const { push, first, last } of rounds) {
          for (let i = 0; i < push; i++) {
            const at = ring.push()
            ring.rows[at] = next
            ring.rows[at + 1] = -next
            model.push(next++)
          }
          for (let i = 0; i < first && model.length > 0; i++) {
            if (ring.rows[ring.first] !== model.shift()) throw new Error('first')
            ring.dropFirst()
          }
          for (let i = 0; i < last && model.length > 0; i++) {
            if (ring.rows[ring.last + 1] !== -model.pop()!) throw new Error('last')
            ring.dropLast()
          }
          ring.settle()
          if (ring.length !== model.length) throw new Error('length')
          model.forEach((value, i) => {
            if (ring.rows[ring.row(i)] !== value) throw new Error(`row ${i}`)
          })
        }
      },
    ),
  )
  t.pass()
})

test('an undo ring gives the memory of a peak back, but not at once', t => {
  const ring = new UndoRing(3)
  const cycle = (count: number) => {
    for (let i = 0; i < count; i++) ring.push()
    for (let i = 0; i < count; i++) ring.dropFirst()
    ring.settle()
  }
  cycle(100)
  const small = ring.sizeBytes
  cycle(100_000)
  const large = ring.sizeBytes
  cycle(100)
  t.is(ring.sizeBytes, large)
  for (let i = 0; i < 20_000; i++) cycle(100)
  t.is(ring.sizeBytes, small)
})
