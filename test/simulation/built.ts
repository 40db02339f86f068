/** The simulator as the tests run it: compiled (tsx would take four times as long), in a folder of their own. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const OUTPUT_BYTES_MAX = 256 * 1_048_576

const execute = promisify(execFile)

/** A build of the simulator. */
export interface BuiltSimulator {
  /** Absolute path of a compiled module, named from `test/simulation`. */
  path(module: string): string
  /** Runs it with these arguments. Never rejects for what it exits with. */
  run(...args: string[]): Promise<{ readonly exitCode: number; readonly output: string }>
}

/** Compiles it into `dist-sim/NAME`: two tests at once need two names. */
export async function buildSimulator(name: string): Promise<BuiltSimulator> {
  const out = join(ROOT, 'dist-sim', name)
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  await execute(process.execPath, [tsc, '-p', 'tsconfig.sim.json', '--outDir', out], { cwd: ROOT })
  const path = (module: string) => join(out, 'test/simulation', module)
  return {
    path,
    run: async (...args) => {
      try {
        const options = { maxBuffer: OUTPUT_BYTES_MAX }
        const { stdout } = await execute(process.execPath, [path('sim-main.js'), ...args], options)
        return { exitCode: 0, output: stdout }
      } catch (error) {
        const { code, stdout } = error as { code?: unknown; stdout?: string }
        if (typeof code !== 'number') throw error
        return { exitCode: code, output: stdout ?? '' }
      }
    },
  }
}
