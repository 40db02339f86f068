/** Where the clients of a run file take their operations from: the file, in its order. */

import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { badUsage } from '../../exit-codes.js'
import { MalformedLine, operationsOf, type RunOperation } from '../../run-file.js'
import type { LoadOperation, OperationSource } from './operations.js'
import { OPERATIONS_MAX, type RunFileWorkload } from './workload.js'

/** Hands out operations one after another to whoever asks. */
export class FileSource implements OperationSource {
  readonly #operations: readonly LoadOperation[]
  #next = 0

  constructor(operations: readonly LoadOperation[]) {
    this.#operations = operations
  }

  next(): LoadOperation | undefined {
    const operation = this.#operations[this.#next]
    this.#next += 1
    return operation
  }
}

/** Reads the operations that a workload is to have. Rejects with one line that names the file, and the line of it. */
export async function readRunFile({
  file,
  operations,
  keyPrefix,
}: RunFileWorkload): Promise<LoadOperation[]> {
  const found: LoadOperation[] = []
  try {
    for await (const operation of operationsOf(createReadStream(file))) {
      if (found.length === operations) return endedBefore(found, file)
      found.push(loadOperationOf(operation, keyPrefix))
    }
  } catch (error) {
    if (error instanceof MalformedLine) throw badUsage(`${file}, line ${error.line}: ${error.message}`)
    throw error
  }
  if (found.length === 0) throw badUsage(`${file}: no operations, expected one a line`)
  return found
}

/** A part of a file is only taken where that was asked for. */
function endedBefore(found: LoadOperation[], file: string): LoadOperation[] {
  if (found.length < OPERATIONS_MAX) return found
  throw badUsage(`${file}: more than ${OPERATIONS_MAX} operations, allowed are as many: give it in parts`)
}

/** Histories are text, so a run file of an experiment must be. */
function loadOperationOf(operation: RunOperation, keyPrefix: string): LoadOperation {
  const { kind, line, key: keyBytes } = operation
  const key = keyPrefix + textOf(keyBytes, 'a key', line)
  if (kind !== 'set') return { type: kind, key }
  return { type: kind, key, value: textOf(operation.value, 'a value', line) }
}

function textOf(bytes: Buffer, what: string, line: number): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  throw new MalformedLine(line, bytes, `${what} that is not UTF-8, expected text`)
}
