import test from 'ava'
import { createCommand, settingsOf } from '../../tools/bench/options.js'
import { rowName, selectRows, varveRows } from '../../tools/bench/rows.js'

function parse(...args: string[]) {
  const command = createCommand().configureOutput({ writeErr: () => {}, outputError: () => {} })
  command.parse(['node', 'bench', ...args])
  return settingsOf(command)
}

test('Without options everything is measured, three rounds of it', t => {
  const settings = parse()
  t.deepEqual(settings.outstanding, [1, 64, 512, 4_096])
  t.is(settings.keys, 500_000)
  t.is(settings.valueSizeBytes, 100)
  t.is(settings.windowMs, 3_000)
  t.is(settings.rounds, 3)
  // Writes and reads, strong and weak, chain and star.
  t.is(varveRows(settings).length, 2 * 2 * 2 * 4)
})

test('--quick measures less, and what is typed beside it counts', t => {
  t.deepEqual(parse('--quick').outstanding, [1, 512])
  t.is(parse('--quick').rounds, 1)
  const settings = parse('--quick', '--rounds', '5', '--outstanding', '64,8', '--seconds', '0.25')
  t.is(settings.rounds, 5)
  t.deepEqual(settings.outstanding, [8, 64])
  t.is(settings.windowMs, 250)
})

test('A scenario brings its own settings, and what is typed beside it counts', t => {
  const hot = parse('--scenario', 'hot-reads')
  t.deepEqual(varveRows(hot).map(rowName), ['read session chain 512'])
  t.is(hot.keys, 100_000)
  t.is(parse('--scenario', 'memory').keys, 1_000_000)
  t.is(parse('--scenario', 'memory', '--keys', '5000').keys, 5_000)
})

test('The failover scenario has twenty rounds, a quick one three', t => {
  t.is(parse('--scenario', 'failover').rounds, 20)
  t.is(parse('--scenario', 'failover', '--quick').rounds, 3)
  t.is(parse('--scenario', 'failover', '--quick', '--rounds', '7').rounds, 7)
})

test('--only names rows by their words in any order', t => {
  const rows = varveRows(parse('--reads', 'weak,session'))
  const names = (...selections: string[]) => selectRows(rows, selections).map(rowName)
  t.deepEqual(names('512/chain/strong/write'), ['write strong chain 512'])
  t.deepEqual(names('write/strong/chain/1', 'read/session/star/64'), [
    'write strong chain 1',
    'read session star 64',
  ])
  t.is(names('write').length, 16)
  t.deepEqual(names('write/session'), [])
  t.is(names().length, rows.length)
})

test('Neighbouring rows differ in the shape of the cluster first', t => {
  const [first, second] = varveRows(parse())
  t.is(rowName(first!), 'write strong chain 1')
  t.is(rowName(second!), 'write strong star 1')
})

const refused: [option: string, value: string][] = [
  ['--keys', '0'],
  ['--keys', 'many'],
  ['--outstanding', ''],
  ['--outstanding', '1,x'],
  ['--outstanding', '0'],
  ['--seconds', '0'],
  ['--seconds', '-1'],
  ['--topology', 'ring'],
  ['--consistency', 'eventual'],
  ['--vs', 'oracle'],
  ['--scenario', 'all'],
  ['--value-size', '1048577'],
]

for (const [option, value] of refused) {
  test(`${option} '${value}' is refused`, t => {
    t.throws(() => parse(option, value), { code: 'commander.invalidArgument' })
  })
}
