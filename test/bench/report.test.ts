import test from 'ava'
import { type Measurement, medianOf } from '../../tools/bench/measure.js'
import { createCommand, settingsOf } from '../../tools/bench/options.js'
import { reportObject, reportText, type TableReport } from '../../tools/bench/report.js'
import type { Row } from '../../tools/bench/rows.js'

function measurement(opsPerSecond: number, cpuSeconds = 1): Measurement {
  return {
    opsPerSecond,
    windowSeconds: 2,
    p50Us: 500,
    p99Us: 2_500,
    longestUs: opsPerSecond / 10,
    misses: 1,
    drainMs: 3,
    processes: [
      { name: 'client', cpuSeconds, rssBytes: 100e6 },
      { name: 'head', cpuSeconds: 2 * cpuSeconds, rssBytes: 200e6 },
    ],
  }
}

const write: Row = {
  system: 'varve',
  operation: 'write',
  level: 'strong',
  topology: 'chain',
  outstanding: 512,
}
const one: Row = { ...write, outstanding: 1 }
const read: Row = { ...write, operation: 'read' }

function report(): TableReport {
  const command = createCommand()
  command.parse(['node', 'bench'])
  const rounds = [measurement(100_000), measurement(300_000), measurement(200_000)]
  return {
    machine: { cpu: 'a CPU', cores: 2, memoryBytes: 8e9, system: 'linux', node: 'v20', dataInMemory: false },
    options: settingsOf(command),
    limit: {
      entriesPerSecond: 400_000,
      cpuUsPerEntry: 1,
      recordP50Us: 600,
      syncP50Us: 200,
      threeSyncsP50Us: 250,
    },
    rows: [write, one, read].map(row => ({ row, median: medianOf(rounds), rounds })),
    notes: ['redis was not measured: no redis-server on the PATH'],
  }
}

test('The median of rounds is taken figure by figure, by process too', t => {
  const figures = medianOf([measurement(1_000, 3), measurement(3_000, 1), measurement(2_000, 2)])
  t.is(figures.opsPerSecond, 2_000)
  t.is(figures.longestUs, 300)
  t.is(figures.misses, 3)
  t.deepEqual(figures.processes, [
    { name: 'client', cpuSeconds: 2, rssBytes: 100e6 },
    { name: 'head', cpuSeconds: 4, rssBytes: 200e6 },
  ])
})

test('Write rows, and only those, are compared with the limit', async t => {
  const { rows } = reportObject(report()) as { rows: { name: string; shareOfLimit: number | null }[] }
  t.deepEqual(
    rows.map(({ name, shareOfLimit }) => [name, shareOfLimit]),
    [
      ['write strong chain 512', 0.5],
      ['write strong chain 1', 0.5],
      ['read strong chain 512', null],
    ],
  )
})

test('The text shows figures, resources of each process, the limit and the notes', async t => {
  const text = await reportText(report())
  t.regex(text, /write +strong +chain +512 +200,000 +0\.50 ms +2\.50 ms +0\.500\n/)
  t.regex(text, /write +strong +chain +512 +7\.5 +client 1\.00 100, head 2\.00 200\n/)
  t.regex(text, /appends 400,000 entries\/s as synced records of 256/)
  t.regex(text, /write strong chain 1: p50 is 2\.00x three chained appends/)
  t.regex(text, /redis was not measured/)
})
