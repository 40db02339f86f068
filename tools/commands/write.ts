/** What `set` and `delete` have in common: conditions, and how the result is told. */

import { type Command, Option } from 'commander'
import { wholeNumber } from '../arguments.js'
import type { GlobalOptions } from '../connect.js'
import { badUsage, ExitCode } from '../exit-codes.js'
import { printObject } from '../output.js'
import { jsonBytes, printable } from '../text.js'
import { consistencyOption, positionFields, positionText, type Written } from './request-options.js'

export interface WriteOptions extends GlobalOptions {
  readonly consistency?: 'strong' | 'weak'
  readonly ifIndex?: number
  readonly ifAbsent?: boolean
  readonly previous?: boolean
}

/** What the client answers to a write. */
interface WriteAnswer extends Written {
  readonly applied: boolean
  readonly previous?:
    | { readonly found: boolean; readonly value?: Buffer | undefined; readonly index: number }
    | undefined
}

/** Adds the options of a write. */
export function addWriteOptions(command: Command): Command {
  return command
    .addOption(consistencyOption(['strong', 'weak']))
    .option(
      '--if-index <n>',
      "only if the key's newest entry has this index (0: never written)",
      wholeNumber(0),
    )
    .addOption(new Option('--if-absent', 'only if the key does not exist').conflicts('ifIndex'))
    .option('--previous', 'tell what the key held before')
}

/** The options of the client's call. */
export function writeRequest(options: WriteOptions) {
  return {
    ...(options.consistency === undefined ? {} : { consistency: options.consistency }),
    ...(options.ifIndex === undefined ? {} : { ifIndex: options.ifIndex }),
    ...(options.ifAbsent ? { ifAbsent: true } : {}),
    ...(options.previous ? { returnPrevious: true } : {}),
  }
}

/** Prints what a write did. A condition that did not hold is a no: exit code 1. */
export async function printWrite(
  op: 'set' | 'delete',
  key: string,
  answer: WriteAnswer,
  options: WriteOptions,
): Promise<void> {
  const { previous } = answer
  const before = previous?.found ? previous.value : undefined
  const previousFields = previous && {
    previous: {
      found: previous.found,
      ...(before ? jsonBytes('value', before) : { value: null }),
      index: previous.index,
    },
  }
  const object = { op, key, applied: answer.applied, ...positionFields(answer), ...previousFields }
  await printObject(options.output, object, () => {
    const done = answer.applied ? (op === 'set' ? 'set' : 'deleted') : 'not done, the condition does not hold'
    const was =
      previous === undefined ? '' : `\nbefore: ${before === undefined ? '(nothing)' : printable(before)}`
    return `${done}: ${positionText(answer)}${was}`
  })
  if (!answer.applied) process.exitCode = ExitCode.NO
}

/** A key from the command line as bytes. */
export function keyBytes(key: string): Buffer {
  if (key === '') throw badUsage('an empty key given, a key has 1 to 4096 bytes')
  return Buffer.from(key, 'utf8')
}
