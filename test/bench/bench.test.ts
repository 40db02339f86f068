import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { eventually } from '../support/eventually.js'

const entry = fileURLToPath(new URL('../../tools/bench/bench.ts', import.meta.url))

interface Run {
  readonly child: ChildProcess
  readonly output: { text: string; errors: string }
  readonly exitCode: Promise<number | null>
}

function bench(...args: string[]): Run {
  const child = spawn(process.execPath, ['--import=tsx', entry, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { text: '', errors: '' }
  child.stdout!.on('data', data => {
    output.text += data
  })
  child.stderr!.on('data', data => {
    output.errors += data
  })
  return { child, output, exitCode: once(child, 'close').then(([code]) => code) }
}

function folderFor(t: { teardown(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'varve-bench-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Ids of the cluster's processes, as their pid files have them. */
function clusterPids(dir: string): number[] {
  const [own] = readdirSync(dir)
  if (own === undefined) return []
  const cluster = join(dir, own, 'chain')
  const files = readdirSync(cluster).filter(file => file.endsWith('.pid'))
  return files.map(file => Number(readFileSync(join(cluster, file), 'utf8')))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const tiny = ['--rounds', '1', '--seconds', '0.2', '--warm-up', '0.1', '--keys', '300', '--topology', 'chain']

test('A small run measures every row of a real cluster and leaves nothing behind', async t => {
  const dir = folderFor(t)
  const run = bench(...tiny, '--outstanding', '16', '--reads', 'weak,session', '-o', 'json', '--dir', dir)
  t.is(await run.exitCode, 0, run.output.errors)
  const report = JSON.parse(run.output.text)
  t.deepEqual(
    report.rows.map((row: { name: string }) => row.name),
    [
      'write strong chain 16',
      'write weak chain 16',
      'read strong chain 16',
      'read weak chain 16',
      'read session chain 16',
    ],
  )
  for (const row of report.rows) {
    t.true(row.opsPerSecond > 0, row.name)
    t.true(row.p50Us > 0 && row.p99Us >= row.p50Us, row.name)
    t.is(row.misses, 0, row.name)
    const names = row.processes.map((process: { name: string }) => process.name)
    t.deepEqual(names, ['client', 'coordinator', 'head', 'middle', 'tail'])
    t.true(row.processes.every((process: { rssBytes: number }) => process.rssBytes > 0))
  }
  t.true(report.limit.entriesPerSecond > 0)
  t.true(report.limit.threeSyncsP50Us >= report.limit.syncP50Us)
  t.deepEqual(readdirSync(dir), [])
})

test('Interrupted, it ends its processes and removes its data', async t => {
  const dir = folderFor(t)
  const run = bench(...tiny, '--seconds', '600', '--only', 'read/weak/64', '--dir', dir)
  const isMeasuring = () => run.output.errors.includes('round 1')
  await eventually(
    () => isMeasuring() || run.child.exitCode !== null,
    () => run.output.errors,
  )
  t.true(isMeasuring(), run.output.errors)
  const pids = clusterPids(dir)
  t.is(pids.length, 4)
  run.child.kill('SIGINT')
  t.is(await run.exitCode, 130)
  await eventually(() => !pids.some(isAlive))
  t.deepEqual(readdirSync(dir), [])
})

test('What cannot be done is said in one line', async t => {
  const dir = folderFor(t)
  const missing = bench('--dir', join(dir, 'missing'))
  t.is(await missing.exitCode, 2)
  t.regex(missing.output.errors, /^bench: --dir: no folder can be made in .*missing.*ENOENT.*\n$/)
  mkdirSync(join(dir, 'data'))
  const nothing = bench(...tiny, '--only', 'write/sideways', '--dir', join(dir, 'data'))
  t.is(await nothing.exitCode, 2)
  t.regex(nothing.output.errors, /^bench: --only: no row has the words write\/sideways\n$/)
  t.deepEqual(readdirSync(join(dir, 'data')), [])
})
