/** One JSON object a line: what the files of histories and logs have in common. */

/** The object on a line; throws an Error that begins with `where` for anything else. */
export function parseLine(line: string, where: string): Record<string, unknown> {
  let given: unknown
  try {
    given = JSON.parse(line)
  } catch {
    throw new Error(`${where}: not JSON: ${show(line.slice(0, 60))}`)
  }
  if (!isObject(given)) throw new Error(`${where}: ${show(given)} is not an object`)
  return given
}

export function isObject(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
}

/** A value as an error message shows it. */
export function show(given: unknown): string {
  return given === undefined ? 'missing' : JSON.stringify(given)
}
