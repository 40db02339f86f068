import test from 'ava'
import { runAll, runClosedLoop } from '../../tools/bench/closed-loop.js'

const turn = () => new Promise(resolve => setImmediate(resolve))

test('So many operations as asked for are outstanding, and never more', async t => {
  let now = 0
  let most = 0
  const issue = async () => {
    most = Math.max(most, ++now)
    await turn()
    now--
  }
  const result = await runClosedLoop({ outstanding: 7, warmUpMs: 5, windowMs: 30, issue, onWindow: () => {} })
  t.is(most, 7)
  t.is(now, 0)
  t.true(result.operations > 0)
})

test('Operations of the warm-up do not count', async t => {
  let isWarm = false
  let inWindow = 0
  const issue = async () => {
    const counts = isWarm
    await turn()
    if (counts) inWindow++
  }
  const onWindow = () => {
    isWarm = true
  }
  const result = await runClosedLoop({ outstanding: 3, warmUpMs: 20, windowMs: 20, issue, onWindow })
  // Three were under way when the window began, three when it ended.
  t.true(Math.abs(result.operations - inWindow) <= 6)
})

test('The first error ends the loop before its time', async t => {
  let issued = 0
  const issue = async () => {
    await turn()
    if (++issued === 20) throw new Error('lost')
  }
  const run = runClosedLoop({ outstanding: 4, warmUpMs: 5, windowMs: 3_600_000, issue, onWindow: () => {} })
  await t.throwsAsync(run, { message: 'lost' })
})

test('runAll performs each operation once', async t => {
  const performed: number[] = []
  await runAll(100, 8, async number => {
    await turn()
    performed.push(number)
  })
  t.deepEqual(
    performed.sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, number) => number),
  )
})

test('runAll stops at the first error', async t => {
  let performed = 0
  const run = runAll(1_000, 2, async number => {
    await turn()
    performed++
    if (number === 5) throw new Error('lost')
  })
  await t.throwsAsync(run, { message: 'lost' })
  t.true(performed < 20)
})
