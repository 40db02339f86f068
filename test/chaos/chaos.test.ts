/** A short run of chaos: real processes, real load, every kind of fault, and no promise broken. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { runChaos } from './chaos-run.js'
import { type ChaosOptions, FAULT_NAMES } from './options.js'
import { verdictTable } from './verdict-table.js'

const shape = {
  nodes: 3,
  shards: 1,
  topology: 'chain',
  faults: FAULT_NAMES,
  clients: 3,
  workers: 3,
  keep: undefined,
  check: undefined,
} as const

async function keepsItsPromises(t: ExecutionContext, options: ChaosOptions): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'varve-chaos-'))
  const lines: string[] = []
  const { verdicts, historyFile } = await runChaos(options, dir, line => lines.push(line))
  const broken = verdicts.filter(({ ok }) => !ok)
  if (broken.length === 0) rmSync(dir, { recursive: true, force: true })
  else t.log(lines.join('\n'), verdictTable(verdicts), historyFile)
  t.deepEqual(
    broken.map(({ what, found }) => `${what}: ${found}`),
    [],
  )
}

test.serial('no promise is broken in half a minute of faults of every kind', async t => {
  t.timeout(170_000)
  await keepsItsPromises(t, { ...shape, durationMs: 30_000, seed: 11 })
})

test.serial('no request fails while only the coordinator is killed and started again', async t => {
  t.timeout(170_000)
  const faults = ['coordinator'] as const
  await keepsItsPromises(t, { ...shape, topology: 'star', faults, durationMs: 10_000, seed: 5 })
})
