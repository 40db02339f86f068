import test from 'ava'
import { Life, Schedule } from './world/schedule.js'

const life = (name: string) => new Life(name, { aheadMs: 0 })

test('events run in the order of their times, and of their making where times are equal', async t => {
  const schedule = new Schedule()
  const seen: string[] = []
  schedule.after(undefined, 5, () => seen.push(`b at ${schedule.nowMs}`))
  schedule.after(undefined, 5, () => seen.push(`c at ${schedule.nowMs}`))
  schedule.after(undefined, 1, () => seen.push(`a at ${schedule.nowMs}`))
  await schedule.run(() => false)
  t.deepEqual(seen, ['a at 1', 'b at 5', 'c at 5'])
})

test('promises that an event settles have run before the next event', async t => {
  const schedule = new Schedule()
  const seen: string[] = []
  schedule.after(undefined, 1, async () => {
    await Promise.resolve()
    await Promise.resolve()
    seen.push('promise')
  })
  schedule.after(undefined, 1, () => seen.push('event'))
  await schedule.run(() => false)
  t.deepEqual(seen, ['promise', 'event'])
})

test('a dead process has no more events, a paused one has its own when it goes on', async t => {
  const schedule = new Schedule()
  const seen: string[] = []
  const dead = life('dead')
  const paused = life('paused')
  paused.isPaused = true
  dead.isDead = true
  schedule.after(dead, 1, () => seen.push('dead'))
  schedule.after(paused, 1, () => seen.push(`first at ${schedule.nowMs}`))
  schedule.after(paused, 2, () => seen.push(`second at ${schedule.nowMs}`))
  schedule.after(undefined, 9, () => schedule.resume(paused))
  await schedule.run(() => false)
  t.deepEqual(seen, ['first at 9', 'second at 9'])
})

test('what an event throws ends the run', async t => {
  const schedule = new Schedule()
  schedule.after(undefined, 1, () => {
    throw new Error('no')
  })
  await t.throwsAsync(
    schedule.run(() => false),
    { message: 'no' },
  )
})
