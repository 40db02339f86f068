/** Runs are called as their variants are, which people name freely; files have letters, digits and a few signs. */

/** The name of a run as a part of file names. */
export function fileNameOf(run: string): string {
  return run.replace(/[^A-Za-z0-9_.#-]+/g, '-')
}
