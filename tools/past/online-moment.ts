/** Moments and entries between commands and the client. Nothing heavy is loaded for it. */

import type { At } from '../../src/client/moment.js'
import type { PastEntry } from '../../src/client/past-entry.js'
import type { TimeAddress } from '../../src/client/time-address.js'
import type { BytesClient } from '../connect.js'
import { badUsage, codeOf } from '../exit-codes.js'
import type { LogLine } from '../log-line.js'
import type { PastMoment } from './past-source.js'

const NO_BYTES = Buffer.alloc(0)

/** The moment that an address names, as the client takes it; undefined is the newest. */
export function atOf(address: TimeAddress): At | undefined {
  switch (address.kind) {
    case 'now':
      return undefined
    case 'start':
      return 'start'
    case 'wall':
      return { wallMs: address.wallMs }
    case 'lamport':
      return { lamport: address.lamport }
    case 'tag':
      return { tag: address.name }
    case 'index':
      return address.shard === undefined
        ? String(address.index)
        : { shard: address.shard, index: address.index }
  }
}

/** Resolves an address; what is wrong with it is told with the option that it was given to. */
export async function resolveOnline(
  client: BytesClient,
  address: TimeAddress,
  option: string,
  shards?: readonly string[],
): Promise<PastMoment> {
  try {
    return await client.resolve(atOf(address), { shards })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'FAILED_PRECONDITION' && address.kind === 'tag') {
      throw badUsage(`${option}: there is no tag ${address.name}: \`varve tag list\` lists them`)
    }
    if (code !== 'OUT_OF_RANGE' && code !== 'INVALID_ARGUMENT' && code !== 'UNKNOWN_SHARD') throw error
    throw badUsage(`${option}: ${(error as Error).message} (${code})`)
  }
}

/** An entry as lists print it. */
export function lineOf(entry: PastEntry<Buffer, Buffer>): LogLine {
  return {
    ...entry,
    value: entry.value ?? NO_BYTES,
    clientId: Buffer.from(entry.clientId, 'hex'),
    refused: false,
  }
}
