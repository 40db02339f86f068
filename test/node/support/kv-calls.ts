/** Unary calls of `Kv` as promises. */
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { ExecutionContext } from 'ava'
import { shardOfKey } from '../../../src/client/shard-of-key.js'
import { Operation } from '../../../src/generated/varve/v1/entry.js'
import {
  type BatchOperation,
  type GetResponse,
  KvClient,
  RequestContext,
  type ScanResponse,
  type WriteResponse,
} from '../../../src/generated/varve/v1/kv.js'
import type { FakeNode } from './fake-host.js'

export function clientOf(t: ExecutionContext, node: FakeNode): KvClient {
  const client = new KvClient(node.address, credentials.createInsecure())
  t.teardown(() => client.close())
  return client
}

type Call<T> = (done: (error: ServiceError | null, response: T) => void) => unknown

export function ask<T>(call: Call<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error ? reject(error) : resolve(response)))
  })
}

export const context = (fields: Partial<RequestContext> = {}): RequestContext => ({
  ...RequestContext.decode(new Uint8Array()),
  ...fields,
})

export const set = (client: KvClient, key: string, value: string, more: object = {}) =>
  ask<WriteResponse>(done =>
    client.set(
      {
        context: undefined,
        key: Buffer.from(key),
        value: Buffer.from(value),
        condition: undefined,
        returnPrevious: false,
        ...more,
      },
      done,
    ),
  )

export const get = (client: KvClient, key: string, fields: Partial<RequestContext> = {}) =>
  ask<GetResponse>(done =>
    client.get({ context: context(fields), key: Buffer.from(key), at: undefined }, done),
  )

export const del = (client: KvClient, key: string) =>
  ask<WriteResponse>(done =>
    client.delete(
      { context: undefined, key: Buffer.from(key), condition: undefined, returnPrevious: true },
      done,
    ),
  )

export const scan = (client: KvClient, more: object = {}) =>
  ask<ScanResponse>(done =>
    client.scan(
      {
        context: undefined,
        shard: '',
        start: Buffer.alloc(0),
        end: Buffer.alloc(0),
        limit: 0,
        keysOnly: false,
        reverse: false,
        at: undefined,
        ...more,
      },
      done,
    ),
  )

export const batch = (client: KvClient, operations: Partial<BatchOperation>[]) =>
  ask<{ results: WriteResponse[] }>(done =>
    client.batch(
      {
        context: undefined,
        operations: operations.map(each => ({
          operation: Operation.SET,
          key: Buffer.from('{b}'),
          value: Buffer.alloc(0),
          condition: undefined,
          returnPrevious: false,
          ...each,
        })),
      },
      done,
    ),
  )

/** A key of each shard. */
export function keysOf(ordinal: number, count: number, shards = 2): string[] {
  const keys: string[] = []
  for (let at = 0; keys.length < count; at += 1) {
    if (shardOfKey(Buffer.from(`key-${at}`), shards) === ordinal) keys.push(`key-${at}`)
  }
  return keys
}

export async function errorOf(promise: Promise<unknown>): Promise<ServiceError> {
  return await promise.then(
    () => {
      throw new Error('expected an error')
    },
    error => error as ServiceError,
  )
}

export const header = (error: ServiceError, name: string) => error.metadata.get(name)[0]

export const limitedSet = (client: KvClient, key: string, timeoutMs: number) => {
  const request = { context: undefined, key: Buffer.from(key), value: Buffer.from('v'), condition: undefined }
  const options = { deadline: Date.now() + timeoutMs }
  return errorOf(
    ask(done => client.set({ ...request, returnPrevious: false }, new Metadata(), options, done)),
  )
}
