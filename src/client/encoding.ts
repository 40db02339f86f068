/** How an application's keys and values become bytes. */
import { VarveError } from './errors.js'

/** `utf8` is strings, `buffer` is bytes as they are, `json` is anything that `JSON.stringify` takes. */
export type EncodingName = 'utf8' | 'json' | 'buffer'

/** What a key or value is in TypeScript under an encoding. */
export type Encoded<E extends EncodingName> = E extends 'buffer'
  ? Buffer
  : E extends 'json'
    ? unknown
    : string

/** One encoding. Strings are turned into bytes later, straight into the frame that carries them. */
export interface Encoding {
  readonly name: EncodingName
  /** `what` names the argument for the message of the INVALID_ARGUMENT that a wrong type gets. */
  encode(given: unknown, what: string): string | Uint8Array
  /** Copies: nothing of `bytes` is kept. */
  decode(bytes: Buffer, start: number, end: number): unknown
}

const utf8: Encoding = {
  name: 'utf8',
  encode(given, what) {
    if (typeof given === 'string' || given instanceof Uint8Array) return given
    throw wrongType(what, 'a string', given, 'utf8')
  },
  decode: (bytes, start, end) => bytes.toString('utf8', start, end),
}

const buffer: Encoding = {
  name: 'buffer',
  encode(given, what) {
    if (given instanceof Uint8Array || typeof given === 'string') return given
    throw wrongType(what, 'a Buffer or Uint8Array', given, 'buffer')
  },
  decode(bytes, start, end) {
    const copy = Buffer.allocUnsafe(end - start)
    bytes.copy(copy, 0, start, end)
    return copy
  },
}

const json: Encoding = {
  name: 'json',
  encode(given, what) {
    let text: string | undefined
    try {
      text = JSON.stringify(given)
    } catch (error) {
      throw new VarveError(
        'INVALID_ARGUMENT',
        `${what} cannot be written as JSON: ${(error as Error).message}`,
        {
          outcome: 'failed',
        },
      )
    }
    if (text === undefined) throw wrongType(what, 'something that JSON can hold', given, 'json')
    return text
  },
  decode(bytes, start, end) {
    const text = bytes.toString('utf8', start, end)
    try {
      return JSON.parse(text)
    } catch {
      const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text
      throw new VarveError(
        'INVALID_ARGUMENT',
        `what is stored is not JSON: ${JSON.stringify(shown)}; read it with the encoding utf8 or buffer`,
      )
    }
  },
}

const encodings: ReadonlyMap<string, Encoding> = new Map([utf8, json, buffer].map(one => [one.name, one]))

/** The encoding of that name; INVALID_ARGUMENT for any other. */
export function encodingOf(name: string, option: string): Encoding {
  const encoding = encodings.get(name)
  if (encoding !== undefined) return encoding
  const known = [...encodings.keys()].join(', ')
  throw new VarveError('INVALID_ARGUMENT', `${option} is ${JSON.stringify(name)}, expected one of: ${known}`)
}

function wrongType(what: string, expected: string, given: unknown, encoding: string): VarveError {
  const type = given === null ? 'null' : typeof given
  return new VarveError(
    'INVALID_ARGUMENT',
    `${what} is ${type}, expected ${expected} (encoding ${encoding})`,
    {
      outcome: 'failed',
    },
  )
}
