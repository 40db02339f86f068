import test from 'ava'
import fc from 'fast-check'
import { RecordDirectory } from '../../src/log/record-directory.js'

test('a directory finds what a plain array finds, after any pushes, pops and drops', t => {
  const steps = fc.array(
    fc.record({
      push: fc.integer({ min: 0, max: 6_000 }),
      pop: fc.integer({ min: 0, max: 6_000 }),
      drop: fc.integer({ min: 0, max: 6_000 }),
    }),
    {
      maxLength: 4,
    },
  )
  const property = fc.property(steps, fc.array(fc.nat(), { minLength: 10 }), (list, probes) => {
    const directory = new RecordDirectory()
    const plain: number[] = []
    let dropped = 2 ** 39
    for (const step of list) {
      for (let i = 0; i < step.push; i++) {
        const first = (plain.at(-1) ?? dropped) + 1 + (i % 7) * 1_000
        plain.push(first)
        directory.push(first)
      }
      for (let i = 0; i < step.pop; i++) {
        plain.pop()
        directory.pop()
      }
      for (const first of plain.splice(0, step.drop)) dropped = first
      directory.dropFirst(step.drop)
    }
    const span = (plain.at(-1) ?? 0) - (plain[0] ?? 0) + 10
    return (
      directory.length === plain.length &&
      plain.every((first, place) => directory.at(place) === first && directory.find(first) === place) &&
      probes.every(probe => {
        const index = (plain[0] ?? 0) - 5 + (probe % span)
        return directory.find(index) === plain.findLastIndex(first => first <= index)
      }) &&
      directory.at(plain.length) === 0
    )
  })
  t.notThrows(() => fc.assert(property, { numRuns: 60 }))
})
