import test from 'ava'
import fc from 'fast-check'
import { type CommittedRequests, isRemembered } from '../../src/projection/committed-requests.js'
import { EXPIRED, RequestTable, type RequestTableLimits } from '../../src/projection/request-table.js'
import { clientId, NOBODY } from './fixtures.js'

interface Request {
  readonly client: number
  readonly sequence: number
}

/** All that a captured table says, as text: replicas with equal logs must get the same. */
function textOf(table: CommittedRequests): string {
  const clients = table.clients.map(client => {
    const pairs: [number, number][] = []
    for (const source of [client.pairs, client.covered]) {
      for (let i = 0; i < source.length; i += 2) {
        if (isRemembered(table, client, source[i]!, source[i + 1]!)) pairs.push([source[i]!, source[i + 1]!])
      }
    }
    pairs.sort((left, right) => left[0] - right[0])
    const id = Buffer.from(client.name, 'latin1').toString('hex')
    return `${id} ${client.forgotten} ${client.newest} ${pairs.map(pair => pair.join('>')).join(' ')}`
  })
  return [`floor ${table.floor} at ${table.commitIndex}`, ...clients].join('\n')
}

const CLIENTS = Array.from({ length: 4 }, (_, i) => clientId(1_000 + i * 10))
const SMALL: RequestTableLimits = { windowMax: 8, clientsMax: 2, requestsMax: 10 }

test('a repeat is answered with the index of the original, a new request with 0', t => {
  const table = new RequestTable()
  const client = clientId(5)
  t.is(table.lookup(client, 1), 0)
  table.record(client, 1, 10)
  table.record(client, 3, 11)
  table.record(client, 2, 12)
  const expectedOf = [0, 10, 12, 11, 0]
  for (let sequence = 1; sequence <= 4; sequence++)
    t.is(table.lookup(client, sequence), expectedOf[sequence]!)
  table.commit(12)
  for (let sequence = 1; sequence <= 4; sequence++)
    t.is(table.lookup(client, sequence), expectedOf[sequence]!)
  t.is(table.lookup(clientId(6), 1), 0)
})

test('nobody, and requests without a number, are never remembered', t => {
  const table = new RequestTable()
  table.record(NOBODY, 1, 1)
  table.record(clientId(5), 0, 2)
  table.commit(2)
  t.is(table.lookup(NOBODY, 1), 0)
  t.is(table.clientCount, 0)
})

test('what was cut off is new again', t => {
  const table = new RequestTable()
  const client = clientId(5)
  for (let i = 1; i <= 100; i++) table.record(client, i, i)
  table.commit(40)
  table.truncate(60)
  t.is(table.lookup(client, 60), 60)
  t.is(table.lookup(client, 61), 0)
  table.record(client, 61, 61)
  t.is(table.lookup(client, 61), 61)
  table.truncate(40)
  t.is(table.lookup(client, 40), 40)
  t.is(table.lookup(client, 41), 0)
  const other = clientId(6)
  table.record(other, 7, 41)
  t.is(table.lookup(other, 7), 41)
  table.truncate(40)
  t.is(table.lookup(other, 7), 0)
  t.is(table.clientCount, 1)
})

test('a client is remembered for exactly one window', t => {
  const table = new RequestTable()
  const client = clientId(5)
  const count = 70_000
  for (let i = 1; i <= count; i++) {
    table.record(client, i, i + 5)
    if (i % 512 === 0) table.commit(i + 5 - 100)
  }
  t.is(table.lookup(client, count - 65_536), EXPIRED)
  for (let i = count - 65_535; i <= count; i++) if (table.lookup(client, i) !== i + 5) t.fail(`sequence ${i}`)
  t.is(table.lookup(client, count + 1), 0)
  table.truncate(count + 5 - 50)
  // With the 50 newest gone, the window reaches 50 further back again.
  t.is(table.lookup(client, count - 65_536 - 49), count - 65_536 - 49 + 5)
  t.is(table.lookup(client, count - 65_536 - 50), EXPIRED)
  t.is(table.requestCount, 65_536)
})

test('sequences may leave gaps and pass 2^32', t => {
  const table = new RequestTable()
  const client = clientId(5)
  const sequences = [1, 3, 1_000, 2 ** 32 - 1, 2 ** 32 + 1, 2 ** 40, 2 ** 40 + 65_535]
  for (const [i, sequence] of sequences.entries()) {
    table.record(client, sequence, i + 1)
    t.is(table.lookup(client, sequence), i + 1)
    if (i < 3) t.is(table.lookup(client, sequence - 1), 0)
    if (i % 2 === 0) table.commit(i + 1)
  }
  t.is(table.lookup(client, 2 ** 40), 6)
  t.is(table.lookup(client, 2 ** 40 + 1), 0)
  t.is(table.lookup(client, 2 ** 40 - 1), EXPIRED)
})

test('the client used least recently is evicted and raises the floor: never silently new', t => {
  const table = new RequestTable({ clientsMax: 2 })
  const [first, second, third] = [clientId(100), clientId(200), clientId(300)]
  table.record(first!, 1, 1)
  table.record(second!, 1, 2)
  table.record(first!, 2, 3)
  table.commit(3)
  t.is(table.floor, 0)
  table.record(third!, 1, 4)
  t.is(table.floor, 0)
  t.is(table.lookup(second!, 1), 2)
  table.commit(4)
  t.is(table.floor, 200)
  t.is(table.lookup(second!, 1), EXPIRED)
  t.is(table.lookup(second!, 2), EXPIRED)
  t.is(table.lookup(first!, 2), 3)
  t.is(table.lookup(clientId(150), 1), EXPIRED)
  t.is(table.lookup(clientId(201), 1), 0)
})

test('many requests of many clients stay under the total, and no client that goes on is expired', t => {
  const table = new RequestTable({ requestsMax: 1_000, windowMax: 512 })
  const clients = Array.from({ length: 20 }, (_, i) => clientId(10 + i))
  let index = 0
  for (let sequence = 1; sequence <= 300; sequence++) {
    for (const client of clients) {
      t.is(table.lookup(client, sequence), 0)
      table.record(client, sequence, ++index)
      table.commit(index)
      if (table.requestCount > 1_000) t.fail(`${table.requestCount} requests`)
    }
  }
  t.is(table.clientCount, 20)
  t.is(table.floor, 0)
  for (const client of clients) {
    t.true(table.lookup(client, 300) > 0)
    t.is(table.lookup(client, 1), EXPIRED)
  }
})

test('a committed request whose place a tentative one has taken counts, and comes back with the cut', t => {
  const table = new RequestTable({ windowMax: 8, requestsMax: 7 })
  const [one, other] = [clientId(5), clientId(6)]
  for (let i = 1; i <= 7; i++) table.record(one, i, i)
  table.record(other, 1, 8)
  // Shares the slot of 7.
  table.record(one, 15, 9)
  table.commit(8)
  // One too many: the first client forgot 1 to 4, and still has 5, 6 and 7.
  t.is(table.requestCount, 4)
  t.is(table.lookup(one, 15), 9)
  table.truncate(8)
  t.deepEqual(
    [4, 5, 6, 7, 15].map(sequence => table.lookup(one, sequence)),
    [EXPIRED, 5, 6, 7, 0],
  )
})

type Step =
  | { readonly kind: 'request'; readonly client: number; readonly ahead: number; readonly obedient: boolean }
  | { readonly kind: 'commit' | 'truncate'; readonly share: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({
        kind: fc.constant('request' as const),
        client: fc.nat(CLIENTS.length - 1),
        // Mostly the next one; sometimes a gap, sometimes an older one late.
        ahead: fc.oneof(
          { weight: 6, arbitrary: fc.constant(1) },
          fc.constantFrom(-8, 0, 7, 8, 9),
          fc.integer({ min: -6, max: 20 }),
        ),
        obedient: fc.integer({ min: 0, max: 3 }).map(number => number > 0),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('commit' as const, 'commit' as const, 'truncate' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 300 },
)

/** Runs a head through the script; returns its table and the log that came of it. */
function runHead(script: readonly Step[]): { table: RequestTable; log: Request[]; commits: number[] } {
  const table = new RequestTable(SMALL)
  let log: Request[] = []
  let committed = 0
  const commits: number[] = []
  const newest = CLIENTS.map(() => 0)
  for (const step of script) {
    if (step.kind === 'request') {
      const sequence = Math.max(1, newest[step.client]! + step.ahead)
      newest[step.client] = Math.max(newest[step.client]!, sequence)
      // A head logs only what its table calls new; the table must not depend on that.
      if (step.obedient && table.lookup(CLIENTS[step.client]!, sequence) !== 0) continue
      log.push({ client: step.client, sequence })
      table.record(CLIENTS[step.client]!, sequence, log.length)
      continue
    }
    const to = committed + Math.floor(step.share * (log.length - committed + 0.99))
    if (step.kind === 'commit') {
      table.commit(to)
      committed = to
      commits.push(to)
    } else {
      table.truncate(to)
      log = log.slice(0, to)
    }
  }
  return { table, log, commits }
}

test('equal logs give equal tables, whenever commits and truncations came', t => {
  fc.assert(
    fc.property(steps, script => {
      const { table, log, commits } = runHead(script)
      const eager = new RequestTable(SMALL)
      const lazy = new RequestTable(SMALL)
      const texts = new Map<number, string>([[0, textOf(eager.capture())]])
      log.forEach(({ client, sequence }, i) => {
        eager.record(CLIENTS[client]!, sequence, i + 1)
        eager.commit(i + 1)
        texts.set(i + 1, textOf(eager.capture()))
        lazy.record(CLIENTS[client]!, sequence, i + 1)
      })
      const committed = commits.at(-1) ?? 0
      if (textOf(table.capture()) !== texts.get(committed)) {
        throw new Error(`${textOf(table.capture())}\ninstead of\n${texts.get(committed)}`)
      }
      table.commit(log.length)
      lazy.commit(log.length)
      const expected = textOf(eager.capture())
      for (const other of [table, lazy]) {
        if (textOf(other.capture()) !== expected) {
          throw new Error(`${textOf(other.capture())}\ninstead of\n${expected}`)
        }
        if (other.requestCount !== eager.requestCount) throw new Error(`${other.requestCount} requests`)
        checkLookups(other, eager)
      }
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})

function checkLookups(table: RequestTable, other: RequestTable): void {
  for (const client of CLIENTS) {
    for (let sequence = 1; sequence < 120; sequence++) {
      const [found, expected] = [table.lookup(client, sequence), other.lookup(client, sequence)]
      if (found !== expected) throw new Error(`sequence ${sequence}: ${found}, not ${expected}`)
    }
  }
}

test('a restored table goes on as the one that was captured', t => {
  fc.assert(
    fc.property(steps, steps, (script, more) => {
      const { table, log } = runHead(script)
      table.commit(log.length)
      const captured = table.capture()
      const clients = captured.clients.map(client => ({
        ...client,
        pairs: Float64Array.from([...client.pairs].filter((_, i) => isKept(captured, client, i))),
      }))
      const restored = new RequestTable(SMALL)
      restored.restore({ ...captured, clients })
      let index = log.length
      for (const step of more) {
        if (step.kind !== 'request') continue
        const sequence = 50 + step.ahead
        const id = CLIENTS[step.client]!
        if (table.lookup(id, sequence) !== 0) continue
        index++
        for (const each of [table, restored]) {
          each.record(id, sequence, index)
          each.commit(index)
        }
      }
      if (textOf(restored.capture()) !== textOf(table.capture())) throw new Error(textOf(restored.capture()))
      if (restored.requestCount !== table.requestCount) throw new Error(`${restored.requestCount} requests`)
      checkLookups(restored, table)
    }),
  )
  t.pass()
})

function isKept(table: CommittedRequests, client: CommittedRequests['clients'][number], at: number): boolean {
  const pair = at - (at % 2)
  return isRemembered(table, client, client.pairs[pair]!, client.pairs[pair + 1]!)
}

test('a captured table stays as it was while requests come in', t => {
  const table = new RequestTable({ windowMax: 64 })
  for (let i = 1; i <= 200; i++) table.record(CLIENTS[i % 3]!, Math.ceil(i / 3), i)
  table.commit(150)
  const captured = table.capture()
  const before = textOf(captured)
  for (let i = 201; i <= 900; i++) table.record(CLIENTS[i % 4]!, 1_000 + i, i)
  table.commit(900)
  t.is(textOf(captured), before)
  t.not(textOf(table.capture()), before)
})
