import test from 'ava'
import { Pulse } from '../../src/replication/pulse.js'

function repeats(pulse: Pulse, ticks: number): number {
  return Array.from({ length: ticks }, () => pulse.tick()).filter(each => each === 'all').length
}

test('what may be lost is repeated every 5 ticks while something happens, and every 20 ticks while nothing does', t => {
  const pulse = new Pulse()
  t.is(repeats(pulse, 10), 2, 'a process that has just started has something to say')
  t.is(repeats(pulse, 200), 10)
  pulse.busy()
  t.is(repeats(pulse, 10), 2)
})

test('observers hear every 5 ticks that they are not forgotten', t => {
  const pulse = new Pulse()
  const told = Array.from({ length: 100 }, () => pulse.tick()).filter(each => each !== 'nothing')
  t.is(told.length, 20)
})
