import test from 'ava'
import { type Column, ColumnPrinter, displayWidth, type Screen } from '../../tools/column-printer.js'

const COLUMNS: readonly Column[] = [
  { name: 'key', flexible: true },
  { name: 'value', flexible: true },
  { name: 'index', align: 'right' },
]
const FILE: Screen = { width: undefined, hasStyle: false }

async function table(screen: Screen, rows: readonly (readonly string[])[]): Promise<string[]> {
  let text = ''
  const printer = new ColumnPrinter(COLUMNS, screen, async more => {
    text += more
  })
  for (const row of rows) await printer.add(row)
  await printer.end()
  return text.split('\n').slice(0, -1)
}

test('columns are as wide as what is in them, and end without spaces', async t => {
  t.deepEqual(
    await table(FILE, [
      ['a', 'long value', '7'],
      ['longer', '', '12'],
    ]),
    ['key     value       index', 'a       long value      7', 'longer                 12'],
  )
  t.deepEqual(await table(FILE, []), [])
})

test('on a narrow screen flexible columns are cut, the widest first, and others never', async t => {
  const lines = await table({ width: 30, hasStyle: false }, [['short', 'x'.repeat(60), '123456']])
  t.deepEqual(lines, ['key    value             index', `short  ${'x'.repeat(14)}…  123456`])
  t.true(lines.every(line => line.length <= 30))
})

test('what tells rows apart is cut last', async t => {
  const columns: readonly Column[] = [
    { name: 'key', flexible: 'last' },
    { name: 'value', flexible: true },
  ]
  const show = async (width: number, keyLength: number) => {
    let text = ''
    const printer = new ColumnPrinter(columns, { width, hasStyle: false }, async more => {
      text += more
    })
    await printer.add(['k'.repeat(keyLength), 'v'.repeat(30)])
    await printer.end()
    return text
      .split('\n')[1]!
      .split('  ')
      .map(each => each.length)
  }
  t.deepEqual(await show(40, 20), [20, 18])
  t.deepEqual(await show(50, 60), [32, 16])
  t.deepEqual(await show(36, 60), [24, 10])
  t.deepEqual(await show(22, 20), [12, 8])
  t.deepEqual(await show(5, 20), [8, 8])
})

test('where nothing has to fit nothing is cut, nor are other lines padded to a long text', async t => {
  const long = 'x'.repeat(500)
  const lines = await table(FILE, [
    ['a', long, '1'],
    ['b', 'y', '2'],
  ])
  t.true(lines[1]!.includes(`${long}  `))
  t.true(lines[2]!.length < 100)
})

test('a column that nothing is in is left out, unless something may still come', async t => {
  t.deepEqual(await table(FILE, [['a', '', '1']]), ['key  index', 'a        1'])
  const many = Array.from({ length: 250 }, (_, at) => ['a', at === 240 ? 'late' : '', '1'])
  const lines = await table(FILE, many)
  t.is(lines.length, 251)
  t.is(lines[0], 'key  value  index')
  t.is(lines[241], 'a    late       1')
})

test('wide characters take two columns', async t => {
  t.is(displayWidth('漢字'), 4)
  t.is(displayWidth('naïve…'), 6)
  t.is(displayWidth('👍 ok'), 5)
  t.deepEqual(
    await table(FILE, [
      ['漢字', 'v', '1'],
      ['key', 'v', '2'],
    ]),
    ['key   value  index', '漢字  v          1', 'key   v          2'],
  )
})

test('styles are around whole lines, and only where the screen has them', async t => {
  let text = ''
  const printer = new ColumnPrinter(COLUMNS, { width: 80, hasStyle: true }, async more => {
    text += more
  })
  await printer.add(['a', 'b', '1'], 'red')
  await printer.end()
  t.is(text, '\u001b[1mkey  value  index\u001b[0m\n\u001b[31ma    b          1\u001b[0m\n')
})
