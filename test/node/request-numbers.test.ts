import test from 'ava'
import { NUMBERS_IN_FLIGHT_MAX, RequestNumbers } from '../../src/node/request-numbers.js'

function setUp(): RequestNumbers {
  let clients = 0
  return new RequestNumbers(() => Buffer.alloc(16, ++clients))
}

test('each shard has a client of its own and a dense sequence, a batch takes as many as it has writes', t => {
  const numbers = setUp()
  const [a, b, c, other] = [numbers.take(0, 1), numbers.take(0, 3), numbers.take(0, 1), numbers.take(1, 1)]
  t.deepEqual(
    [a, b, c].map(({ sequence }) => sequence),
    [1, 2, 5],
  )
  t.is(other.sequence, 1)
  t.deepEqual(a.clientId, c.clientId)
  t.notDeepEqual(a.clientId, other.clientId)
})

test('what is acknowledged ends at the oldest request that is still under way', t => {
  const numbers = setUp()
  const [a, b] = [numbers.take(0, 1), numbers.take(0, 2)]
  t.is(numbers.take(0, 1).acknowledgedBelow, 1)
  numbers.done(b)
  t.is(numbers.take(0, 1).acknowledgedBelow, 1)
  numbers.done(a)
  t.is(numbers.take(0, 1).acknowledgedBelow, 4)
})

test('after a number has expired the next one is of another client, and late answers of the old one harm nothing', t => {
  const numbers = setUp()
  const [a, b] = [numbers.take(0, 1), numbers.take(0, 1)]
  numbers.expire(0, a)
  const next = numbers.take(0, 1)
  t.notDeepEqual(next.clientId, a.clientId)
  t.is(next.sequence, 1)
  numbers.expire(0, b)
  t.deepEqual(numbers.take(0, 1).clientId, next.clientId)
  numbers.done(a)
  numbers.done(b)
  t.is(numbers.take(0, 1).acknowledgedBelow, 1)
})

test('one request that hangs does not make the others outgrow what a shard remembers', t => {
  const numbers = setUp()
  const stuck = numbers.take(0, 1)
  for (let at = 1; at < NUMBERS_IN_FLIGHT_MAX; at += 1) numbers.done(numbers.take(0, 1))
  t.notDeepEqual(numbers.take(0, 1).clientId, stuck.clientId)
})
