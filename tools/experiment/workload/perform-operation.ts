/** Carries out an operation of a load with a client that records it. */

import type { RecordingClient } from '../../history/recording-client.js'
import type { Turn } from './load-driver.js'
import type { LoadModes } from './load-modes.js'
import type { LoadOperation } from './operations.js'

/** Resolves when it is done. Rejects as the client does. */
export async function performOperation(
  client: RecordingClient,
  operation: LoadOperation,
  modes: LoadModes,
  { intendedMs, signal }: Pick<Turn, 'intendedMs' | 'signal'>,
): Promise<void> {
  const { key } = operation
  const write = { consistency: modes.consistency }
  const read = { consistency: modes.reads }
  switch (operation.type) {
    case 'set':
      await client.set(key, operation.value, write, intendedMs)
      return
    case 'delete':
      await client.delete(key, write, intendedMs)
      return
    case 'get':
      await client.getEntry(key, read, intendedMs)
      return
    case 'scan':
      await client.scan(key, operation.limit, read, intendedMs)
      return
    case 'read-modify-write':
      await client.getEntry(key, read, intendedMs)
      // Two operations: when the load is over the second one is not begun any more.
      if (!signal.aborted) await client.set(key, operation.value, write)
  }
}
