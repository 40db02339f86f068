import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { FIGURES, type Figure, figureOf } from '../../tools/bench/history/figures.js'
import { historyFolder } from '../../tools/bench/history/history-folder.js'
import { historyText } from '../../tools/bench/scenario-history.js'

const entry = fileURLToPath(new URL('../../tools/bench/bench.ts', import.meta.url))

interface Run {
  readonly code: number | string | undefined
  readonly text: string
  readonly errors: string
}

function bench(...args: string[]): Promise<Run> {
  return new Promise(resolve => {
    const all = ['--import=tsx', entry, ...args]
    execFile(process.execPath, all, { timeout: 120_000 }, (error, text, errors) => {
      resolve({ code: error === null ? 0 : (error.code ?? undefined), text, errors })
    })
  })
}

function folderFor(t: { teardown(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'varve-bench-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('The past of a small log is measured in every way, and the log is kept for the next time', async t => {
  const dir = folderFor(t)
  const data = join(dir, 'log')
  const small = ['--entries', '20000', '--keys', '1000', '--rounds', '1', '--dir', dir, '--data', data]
  const run = await bench('history', ...small, '-o', 'json')
  t.is(run.code, 0, run.errors)
  t.regex(run.errors, /^making /)
  const report = JSON.parse(run.text)
  t.deepEqual(report.shape, { entries: 20_000, keys: 1_000, valueSizeBytes: 100, versions: 1_000 })
  t.deepEqual(
    report.figures.map((figure: Figure) => figure.name),
    Object.keys(FIGURES),
  )
  for (const figure of report.figures) {
    t.is(figure.rounds.length, figure.name === 'history' ? 5 : 1, figure.name)
    t.true(figure.median > 0, figure.name)
  }
  t.deepEqual(readdirSync(dir), ['log'])
  await t.throwsAsync(historyFolder(data, { ...report.shape, keys: 999 }), {
    message: /^--data: .* holds 20,000 entries over 1,000 keys.*: give another folder$/,
  })
  t.deepEqual((await historyFolder(data, report.shape)).shape, report.shape)
})

test('A folder that holds something else is left alone', async t => {
  const data = join(folderFor(t), 'mine')
  mkdirSync(data)
  writeFileSync(join(data, 'letter.txt'), 'dear')
  const shape = { entries: 1_000, keys: 10, valueSizeBytes: 1, versions: 10 }
  await t.throwsAsync(historyFolder(data, shape), {
    message: /^--data: .*mine holds something else: give an empty or a new folder$/,
  })
  t.deepEqual(readdirSync(data), ['letter.txt'])
})

test('A figure is judged by the median of its rounds', async t => {
  t.like(figureOf('getP99', [3, 30, 9]), { median: 9, target: 10, isMet: true })
  t.like(figureOf('getP99', [10, 10, 1]), { median: 10, isMet: false })
  t.like(figureOf('verify', [100, 300, 400]), { median: 300, isMet: true })
  t.is(figureOf('scanFirst', [1]).isMet, undefined)
  const machine = { cpu: 'any', cores: 2, memoryBytes: 1, system: 'any', node: 'v20', dataInMemory: false }
  const shape = { entries: 10_000_000, keys: 500_000, valueSizeBytes: 100, versions: 1_000 }
  const figures = [figureOf('replay', [1_600_000]), figureOf('getP99', [12.5])]
  const text = await historyText({ machine, data: '/data', shape, sizeBytes: 1_500_000_000, figures })
  t.regex(text, /replay from the log alone +1,600,000 entries\/s +>= 1,500,000 entries\/s +met/)
  t.regex(text, /p99 +13 ms +< 10 ms +missed/)
})
