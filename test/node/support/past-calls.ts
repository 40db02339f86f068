/** Calls of `TimeTravel`, and calls of `Kv` at a moment, as promises. */
import { type ClientReadableStream, credentials } from '@grpc/grpc-js'
import type { ExecutionContext } from 'ava'
import { ClusterClient } from '../../../src/generated/varve/v1/cluster.js'
import { type GetResponse, KvClient } from '../../../src/generated/varve/v1/kv.js'
import {
  type ListTagsResponse,
  type Moment,
  type RemoveTagResponse,
  type ResolveResponse,
  type Tag,
  TimeTravelClient,
} from '../../../src/generated/varve/v1/time_travel.js'
import { ask } from './kv-calls.js'

/** All services of one process. */
export interface PastClient {
  readonly kv: KvClient
  readonly timeTravel: TimeTravelClient
  readonly cluster: ClusterClient
}

export function pastClient(t: ExecutionContext, address: string): PastClient {
  const insecure = credentials.createInsecure()
  const client = {
    kv: new KvClient(address, insecure),
    timeTravel: new TimeTravelClient(address, insecure),
    cluster: new ClusterClient(address, insecure),
  }
  t.teardown(() => {
    for (const each of Object.values(client)) each.close()
  })
  return client
}

export const wall = (wallMs: number): Moment => ({ moment: { $case: 'wallMs', value: wallMs } })
export const lamport = (value: number): Moment => ({ moment: { $case: 'lamport', value } })
export const index = (shard: string, at: number): Moment => ({
  moment: { $case: 'index', value: { shard, index: at } },
})
export const tag = (name: string): Moment => ({ moment: { $case: 'tag', value: name } })
export const newest: Moment = { moment: { $case: 'newest', value: true } }

export const resolve = ({ timeTravel }: PastClient, moment: Moment, shards: string[] = []) =>
  ask<ResolveResponse>(done => timeTravel.resolve({ moment, shards, hops: 0, stamp: undefined }, done))

export const addTag = ({ timeTravel }: PastClient, name: string, moment: Moment, actor = '') =>
  ask<Tag>(done => timeTravel.addTag({ name, moment, actor }, done))

export const removeTag = ({ timeTravel }: PastClient, name: string) =>
  ask<RemoveTagResponse>(done => timeTravel.removeTag({ name, actor: '' }, done))

export const listTags = async ({ timeTravel }: PastClient) =>
  (await ask<ListTagsResponse>(done => timeTravel.listTags({}, done))).tags

export const getAt = ({ kv }: PastClient, key: string, at: Moment) =>
  ask<GetResponse>(done => kv.get({ context: undefined, key: Buffer.from(key), at }, done))

/** All messages of a stream. */
export async function all<T>(stream: ClientReadableStream<T>): Promise<T[]> {
  const messages: T[] = []
  for await (const message of stream) messages.push(message as T)
  return messages
}
