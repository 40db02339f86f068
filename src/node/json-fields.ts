/**
 * `JSON.parse` takes the last of two fields of the same name without a word. In a configuration that would
 * drop a whole shard, so the text is looked through once more for names given twice.
 */

interface OpenContainer {
  /** Names met so far in an object; undefined in an array. */
  readonly names: Set<string> | undefined
  /** How the container is reached, such as `shards.shard_0`. */
  readonly path: string
  index: number
  name: string
}

/** The path of the first field given twice in one object; undefined if there is none. `text` must be valid JSON. */
export function duplicateField(text: string): string | undefined {
  const open: OpenContainer[] = []
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],]/g
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const token = match[0]
    const container = open.at(-1)
    if (token === '{' || token === '[') {
      open.push({ names: token === '{' ? new Set() : undefined, path: pathIn(container), index: 0, name: '' })
    } else if (token === '}' || token === ']') {
      open.pop()
    } else if (token === ',') {
      container!.index++
    } else if (container?.names !== undefined && isName(text, tokens.lastIndex)) {
      container.name = JSON.parse(token) as string
      if (container.names.has(container.name)) return pathIn(container)
      container.names.add(container.name)
    }
  }
  return undefined
}

/** A string is a field's name where a colon follows it. */
function isName(text: string, after: number): boolean {
  const colon = /\s*:/y
  colon.lastIndex = after
  return colon.test(text)
}

function pathIn(container: OpenContainer | undefined): string {
  if (container === undefined) return ''
  if (container.names === undefined) return `${container.path}[${container.index}]`
  return container.path === '' ? container.name : `${container.path}.${container.name}`
}
