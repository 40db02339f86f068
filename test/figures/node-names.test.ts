/** Short names of nodes. */
import test from 'ava'
import { nodeNames } from '../../tools/figures/node-names.js'
import { smallRun } from './support/small-run.js'

function namesOf(...addresses: string[]): string[] {
  const run = smallRun({ about: { ...smallRun().about, shards: { s: addresses } } })
  return addresses.map(nodeNames(run))
}

test('nodes are called by their ports where no two have the same', t => {
  t.deepEqual(namesOf('127.0.0.1:5001', '127.0.0.1:5002'), [':5001', ':5002'])
  t.deepEqual(namesOf('eu.example.org:5001', 'us.example.org:5002'), [':5001', ':5002'])
})

test('nodes with the same port are called by what tells their hosts apart', t => {
  t.deepEqual(namesOf('node-1.example.org:5000', 'node-22.example.org:5000'), ['1', '22'])
})

test('nodes that nothing short tells apart are numbered', t => {
  t.deepEqual(namesOf('a:1', 'a:2', 'b:1'), ['#1', '#2', '#3'])
  t.deepEqual(namesOf('n:1', 'nn:1'), ['#1', '#2'], 'nothing is left of the first')
})

test('who joined later has a name as well', t => {
  const membership = {
    type: 'membership',
    run: 'small',
    atMs: 5,
    shard: 's',
    epoch: 2,
    status: 'ACTIVE',
  } as const
  const memberships = [{ ...membership, head: 'h:1', members: ['h:1', 'h:9'], learners: ['h:10'] }]
  const run = smallRun({ about: { ...smallRun().about, shards: { s: ['h:1'] } }, memberships })
  t.deepEqual(['h:9', 'h:10'].map(nodeNames(run)), [':9', ':10'])
})
