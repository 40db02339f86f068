/** What commands that read or write keys have in common. */

import { Option } from 'commander'

/** What a request may ask for instead of the cluster's default. */
export type RequestConsistency = 'strong' | 'weak' | 'session'

/** `--consistency`, with the levels that the command can use. */
export function consistencyOption(levels: readonly RequestConsistency[]): Option {
  return new Option('--consistency <level>', "what the request asks for (default: the cluster's)")
    .env('VARVE_CONSISTENCY')
    .choices(levels)
}

/** Where and when an entry was written. */
export interface Written {
  readonly shard: string
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly committed: boolean
}

/** The position fields that answers have in JSON, in the order in which they are always printed. */
export function positionFields(at: Written): Written {
  const { shard, epoch, index, lamport, wallMs, committed } = at
  return { shard, epoch, index, lamport, wallMs, committed }
}

/** A position in words. */
export function positionText(at: Written): string {
  return `${at.shard}/${at.index}, Lamport ${at.lamport}, ${at.committed ? 'committed' : 'not committed yet'}`
}

/** Reads all of stdin. */
export async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
