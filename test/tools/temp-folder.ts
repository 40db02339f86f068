import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/** A folder of the test's own, gone when it ends. */
export function tempFolder(t: ExecutionContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'varve-tools-')))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
