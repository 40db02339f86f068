/** The client processes of a chaos run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HistoryOperation } from '../../tools/history/history-event.js'
import { readHistory } from '../../tools/history/history-file.js'
import type { ClientOrders } from './workload.js'

const CLIENT = fileURLToPath(new URL('./client-main.ts', import.meta.url))

interface LoadProcess {
  readonly orders: ClientOrders
  readonly child: ChildProcess
}

export class Load {
  readonly #processes: LoadProcess[]

  private constructor(processes: LoadProcess[]) {
    this.#processes = processes
  }

  /** Resolves when all of them send requests. */
  static async start(
    endpoints: readonly string[],
    shape: { readonly clients: number; readonly workers: number; readonly seed: number },
    dir: string,
  ): Promise<Load> {
    const processes = Array.from({ length: shape.clients }, (_, at) => {
      const name = `c${at + 1}`
      const historyFile = join(dir, `history-${name}.jsonl`)
      const orders = { name, seed: shape.seed + at + 1, endpoints, workers: shape.workers, historyFile }
      const args = ['--import=tsx', CLIENT, JSON.stringify(orders)]
      return { orders, child: spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }) }
    })
    const load = new Load(processes)
    try {
      await Promise.all(processes.map(each => load.#ready(each)))
    } catch (error) {
      await load.kill()
      throw error
    }
    return load
  }

  /** Ends them in order and returns what all of them did, in no order. */
  async stop(): Promise<HistoryOperation[]> {
    await Promise.all(
      this.#processes.map(async ({ orders, child }) => {
        const gone = hasEnded(child) ? Promise.resolve() : once(child, 'exit')
        child.stdin!.end()
        await gone
        if (child.exitCode !== 0)
          throw new Error(`client ${orders.name} ended with ${child.exitCode ?? child.signalCode}`)
      }),
    )
    return this.#processes.flatMap(({ orders }) => readHistory(orders.historyFile).operations)
  }

  /** Ends them at once. Idempotent. */
  async kill(): Promise<void> {
    await Promise.all(
      this.#processes.map(async ({ child }) => {
        if (hasEnded(child)) return
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        await gone
      }),
    )
  }

  async #ready({ orders, child }: LoadProcess): Promise<void> {
    const ended = once(child, 'exit').then(() => {
      throw new Error(`client ${orders.name} ended before it was connected`)
    })
    await Promise.race([once(child.stdout!, 'data'), ended])
    ended.catch(() => {})
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
