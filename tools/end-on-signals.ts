/** How a tool ends that reads a stopped node's folder: what it made to read it must not stay behind. */

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

let isSet = false

/** From now on a signal ends the process by `exit`, so that views of folders are removed (`src/log/level-view.ts`). */
export function endOnSignals(): void {
  if (isSet) return
  isSet = true
  for (const [signal, exitCode] of Object.entries(SIGNALS)) process.once(signal, () => process.exit(exitCode))
}
