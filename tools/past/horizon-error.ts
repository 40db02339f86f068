/** What retention dropped, told with the shard's name, which logs do not know. */

import { LogError } from '../../src/log/errors.js'
import { horizonText } from '../../src/log/horizon.js'
import { CommandError, ExitCode } from '../exit-codes.js'

/** The outcome of a read of a shard. */
export async function named<T>(shard: string, outcome: Promise<T>): Promise<T> {
  try {
    return await outcome
  } catch (error) {
    throw withShardName(shard, error)
  }
}

/** As `named`, for what was thrown. */
export function withShardName(shard: string, error: unknown): unknown {
  if (!(error instanceof LogError) || error.horizon === undefined) return error
  return new CommandError(ExitCode.NO, `${horizonText(shard, error.horizon)} (OUT_OF_RETENTION)`)
}
