/** Experiments in files, JSON or YAML. */

import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { duplicateField } from '../../../src/node/json-fields.js'
import { badUsage } from '../../exit-codes.js'

/** A description is written by a person: what is larger is no description. */
const SIZE_BYTES_MAX = 1_048_576

/** The value in a file by its ending: `.json`, else YAML. Throws bad-usage errors that name the file. */
export async function readDescriptionFile(file: string): Promise<unknown> {
  return readValue(file, await textOf(file))
}

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch(error => {
    const { code } = error as NodeJS.ErrnoException
    const problem = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw badUsage(`${file}: ${problem}: expected the description of an experiment in JSON or YAML`)
  })
  if (bytes.length > SIZE_BYTES_MAX) {
    throw badUsage(`${file}: ${bytes.length} bytes given, a description has at most ${SIZE_BYTES_MAX}`)
  }
  return bytes.toString('utf8')
}

async function readValue(file: string, text: string): Promise<unknown> {
  if (extname(file).toLowerCase() === '.json') {
    const value = parsed(file, 'JSON', () => JSON.parse(text))
    const field = duplicateField(text)
    if (field !== undefined) throw badUsage(`${file}: ${field}: given twice, allowed is once`)
    return value
  }
  const { parse } = await import('yaml')
  return parsed(file, 'YAML', () => parse(text, { prettyErrors: true, strict: true, uniqueKeys: true }))
}

function parsed(file: string, language: string, parse: () => unknown): unknown {
  try {
    return parse()
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n')
    throw badUsage(`${file}: not ${language} (${reason.replace(/:$/, '')})`)
  }
}
