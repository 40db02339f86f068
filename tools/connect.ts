/** How commands reach a cluster: the options they all have, a client, an inspector. Heavy modules load on use. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Inspector } from '../src/client/inspector.js'
import type { ShardMap } from '../src/generated/varve/v1/cluster.js'
import { ADDRESS_ALLOWED, splitAddress } from '../src/node/address.js'
import { durationMs } from './arguments.js'
import { unavailable } from './exit-codes.js'
import { OUTPUT_FORMATS, type OutputFormat } from './output.js'

/** Where a cluster is looked for unless told otherwise. */
export const DEFAULT_ENDPOINT = '127.0.0.1:5000'

/** Whoever has not answered by then is not there: a person should not wait for the whole time-out to learn that. */
const CONNECT_TIMEOUT_MS_MAX = 5_000

/** Options that every command has. */
export interface GlobalOptions {
  readonly endpoints: readonly string[]
  readonly output: OutputFormat
  /** Of one operation, in milliseconds. */
  readonly timeout: number
  /** Who is noted as the writer of entries. */
  readonly actor?: string
}

/** Adds the options that every command has. */
export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option('-e, --endpoints <addresses>', 'processes of the cluster to ask, parted by commas')
        .env('VARVE_ENDPOINTS')
        .argParser(parseEndpoints)
        .default([DEFAULT_ENDPOINT], DEFAULT_ENDPOINT),
    )
    .addOption(
      new Option('-o, --output <format>', 'form of the answer')
        .env('VARVE_OUTPUT')
        .choices(OUTPUT_FORMATS)
        .default('table'),
    )
    .addOption(
      new Option('--timeout <time>', 'how long one operation may take')
        .env('VARVE_TIMEOUT')
        .argParser(durationMs)
        .default(10_000, '10s'),
    )
    .addOption(new Option('--actor <name>', 'who is noted as the writer of entries').env('VARVE_ACTOR'))
}

/** Reads an address. */
export function parseAddress(text: string): string {
  if (splitAddress(text) !== undefined) return text
  throw new InvalidArgumentError(`${capital(ADDRESS_ALLOWED)}.`)
}

function parseEndpoints(text: string): string[] {
  const addresses = text.split(',').map(part => part.trim())
  return addresses.map(parseAddress)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Connects, lets `use` work with the client, and closes it. Keys and values are bytes. */
export async function withClient<T>(
  options: GlobalOptions,
  use: (client: BytesClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(options)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

/** A client whose keys and values are bytes. */
export type BytesClient = Awaited<ReturnType<typeof openClient>>

/** Connects; whoever calls this closes the client. Keys and values are bytes. */
export async function openClient(options: GlobalOptions) {
  const { connect } = await import('../src/client/client.js')
  return connect([...options.endpoints], {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    timeoutMs: options.timeout,
    connectTimeoutMs: Math.min(options.timeout, CONNECT_TIMEOUT_MS_MAX),
    ...(options.actor === undefined ? {} : { actor: options.actor }),
  })
}

/** Lets `use` ask single processes. */
export async function withInspector<T>(
  options: Pick<GlobalOptions, 'timeout'>,
  use: (inspector: Inspector) => Promise<T>,
): Promise<T> {
  const { Inspector } = await import('../src/client/inspector.js')
  const inspector = new Inspector({ timeoutMs: options.timeout })
  try {
    return await use(inspector)
  } finally {
    inspector.close()
  }
}

/** The shard map of the first endpoint that answers. */
export async function findShardMap(inspector: Inspector, endpoints: readonly string[]): Promise<ShardMap> {
  let problem: unknown
  for (const endpoint of endpoints) {
    try {
      return await inspector.shardMap(endpoint)
    } catch (error) {
      problem = error
    }
  }
  const reason =
    endpoints.length === 1 && problem instanceof Error
      ? problem.message
      : `nobody answers at ${endpoints.join(', ')}`
  throw unavailable(
    `${reason}: \`varve up\` starts a cluster here, --endpoints or VARVE_ENDPOINTS names another`,
  )
}
