/** Progress on stderr, for people at a terminal; silent where stderr is a file or a pipe. */

import type { SingleBar } from 'cli-progress'

/** A bar that counts up to a total. */
export interface Progress {
  update(done: number): void
  /** Changes what is counted and how far it goes. */
  restart(label: string, total: number): void
  /** Takes the bar away. Nothing may be called after it. */
  stop(): void
}

const SILENT: Progress = { update() {}, restart() {}, stop() {} }

/** Shows a bar if stderr is a terminal. */
export async function showProgress(label: string, total: number): Promise<Progress> {
  if (!process.stderr.isTTY) return SILENT
  const { default: cliProgress } = await import('cli-progress')
  const bar: SingleBar = new cliProgress.SingleBar({
    format: '{label} [{bar}] {value}/{total}',
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    barsize: 30,
    clearOnComplete: true,
    stream: process.stderr,
    fps: 5,
    gracefulExit: false,
  })
  bar.start(total, 0, { label })
  return {
    update: done => bar.update(done),
    restart: (next, nextTotal) => {
      bar.setTotal(nextTotal)
      bar.update(0, { label: next })
    },
    stop: () => bar.stop(),
  }
}
