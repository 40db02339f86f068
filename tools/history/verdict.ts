/** What is said of a promise after a run was held against it. */

export interface Verdict {
  /** The promise, as a sentence: `replicas are equal`. */
  readonly what: string
  readonly ok: boolean
  /** How much was looked at, or what is wrong. */
  readonly found: string
  /** Each violation. */
  readonly violations: readonly string[]
}

/** Kept where there is no violation; `found` is then said of it, else the first violation and how many there are. */
export function verdictOn(what: string, violations: readonly string[], found: string): Verdict {
  const ok = violations.length === 0
  return { what, ok, found: ok ? found : `${violations.length}: ${violations[0]}`, violations }
}
