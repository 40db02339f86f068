import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { IteratorGate } from '../../src/log/iterator-gate.js'

test('a deletion waits for iterators, and iterators wait for a deletion', async t => {
  const gate = new IteratorGate()
  const order: string[] = []
  await gate.enter()
  await gate.enter()
  let finish = () => {}
  const deleting = gate.delete(async () => {
    order.push('delete begins')
    await new Promise<void>(resolve => {
      finish = resolve
    })
    order.push('delete ends')
  })
  await setImmediate()
  gate.leave()
  await setImmediate()
  t.deepEqual(order, [])
  gate.leave()
  await setImmediate()
  t.deepEqual(order, ['delete begins'])
  const entering = gate.enter().then(() => order.push('iterator'))
  await setImmediate()
  t.deepEqual(order, ['delete begins'])
  finish()
  await Promise.all([deleting, entering])
  t.deepEqual(order, ['delete begins', 'delete ends', 'iterator'])
})

test('a failing deletion lets iterators in again', async t => {
  const gate = new IteratorGate()
  await t.throwsAsync(
    gate.delete(async () => {
      throw new Error('no')
    }),
  )
  await t.notThrowsAsync(gate.enter())
})
