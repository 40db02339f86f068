import test from 'ava'
import { FAULT_NAMES, parseOptions } from './options.js'

function parse(...args: string[]) {
  return parseOptions(['node', 'chaos', ...args])
}

test('without options all faults are made for a minute, with a seed of its own', t => {
  const { durationMs, faults, nodes, topology } = parse()
  t.is(durationMs, 60_000)
  t.deepEqual([...faults], FAULT_NAMES)
  t.is(nodes, 3)
  t.is(topology, 'chain')
})

test('what is typed counts', t => {
  const options = parse('--minutes', '0.5', '--seed', '7', '--faults', 'kill, pause', '--topology', 'star')
  t.like(options, { durationMs: 30_000, seed: 7, topology: 'star' })
  t.deepEqual([...options.faults], ['kill', 'pause'])
})
