/** The verdict of a run as text. */
import type { Verdict } from '../../tools/history/verdict.js'

const FOUND_MAX = 150

/** One line for each promise. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  const width = Math.max(...verdicts.map(({ what }) => what.length))
  return verdicts
    .map(({ what, ok, found }) => {
      const shown = found.length > FOUND_MAX ? `${found.slice(0, FOUND_MAX)}...` : found
      return `${ok ? 'ok    ' : 'BROKEN'}  ${what.padEnd(width)}  ${shown}`
    })
    .join('\n')
}
