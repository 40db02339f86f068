/**
 * Tags (src/projection/tags.ts) as operators set them. A tag is written to the first shard, where it is decided who has the
 * name, then to all others; it is removed from the others first. So what the first shard says is what there is, and a call
 * that was cut short is finished by asking the same again.
 */
import { VarveError } from '../client/errors.js'
import type { ShardMap } from '../generated/varve/v1/cluster.js'
import {
  Consistency,
  type RequestContext,
  type ScanItem,
  type ScanRequest,
  type WriteResponse,
} from '../generated/varve/v1/kv.js'
import type {
  AddTagRequest,
  ListTagsResponse,
  RemoveTagRequest,
  RemoveTagResponse,
  Tag,
} from '../generated/varve/v1/time_travel.js'
import { systemKey, systemPrefix } from '../log/system-key.js'
import { decodeTag, encodeTag, type TagValue } from '../projection/tags.js'
import type { CallBudget } from './call-budget.js'
import { knownMap } from './forwarding.js'
import { checkActor } from './kv-requests.js'
import { askedMoment, type CommonMoment, checkTagName, commonMessage } from './moment-message.js'
import type { MomentResolver } from './moment-resolver.js'
import type { NodeHost } from './node-host.js'
import { emptyContext } from './pass-on.js'
import { momentText } from './past-errors.js'
import type { UnaryReads } from './unary-reads.js'
import type { UnaryWrites } from './unary-writes.js'

export class ClusterTags {
  readonly #host: NodeHost
  readonly #reads: UnaryReads
  readonly #writes: UnaryWrites
  readonly #resolver: MomentResolver

  constructor(host: NodeHost, reads: UnaryReads, writes: UnaryWrites, resolver: MomentResolver) {
    this.#host = host
    this.#reads = reads
    this.#writes = writes
    this.#resolver = resolver
  }

  /** Rejects with `VarveError`: FAILED_PRECONDITION where the name stands for another moment, and as `resolve`. */
  async add({ name, moment, actor }: AddTagRequest, budget: CallBudget): Promise<Tag> {
    checkTagName(name)
    checkActor(actor)
    const map = knownMap(this.#host)
    const asked = { moment, shards: [], hops: 0, stamp: undefined }
    // In all shards: a tag is a moment that can be read.
    const resolved = await this.#resolver.resolve(asked, budget)
    const value: TagValue = { moment: askedMoment(resolved.moment, map) as CommonMoment, actor }
    const [first, ...others] = shardsOf(map)
    const decided = await this.#set(name, value, first!, map, true, budget)
    const kept = decided.applied ? value : decodeTag(decided.previous?.value ?? Buffer.alloc(0))
    if (kept === undefined || !isSame(kept.moment, value.moment)) {
      const there = kept === undefined ? 'something else' : momentText('', kept.moment)
      const text = `tag ${name} stands for ${there}: remove it first, or choose another name`
      throw new VarveError('FAILED_PRECONDITION', text)
    }
    await Promise.all(others.map(shard => this.#set(name, kept, shard, map, false, budget)))
    const held = await this.#find(name, map, budget)
    return held ?? { name, moment: commonMessage(kept.moment), stamp: decided.position?.stamp, actor }
  }

  /** Rejects with `VarveError`. */
  async remove({ name, actor }: RemoveTagRequest, budget: CallBudget): Promise<RemoveTagResponse> {
    checkTagName(name)
    checkActor(actor)
    const map = knownMap(this.#host)
    const [first, ...others] = shardsOf(map)
    const removed = await Promise.all(others.map(shard => this.#delete(name, actor, shard, map, budget)))
    removed.push(await this.#delete(name, actor, first!, map, budget))
    return { removed: removed.includes(true) }
  }

  /** By name. Rejects with `VarveError`. */
  async list(budget: CallBudget): Promise<ListTagsResponse> {
    const map = knownMap(this.#host)
    const first = map.shards.find(({ ordinal }) => ordinal === shardsOf(map)[0])!
    const prefix = Buffer.from(`${systemPrefix('tag', first.ordinal, map.shards.length)}/`)
    const end = Buffer.from(prefix)
    end[end.length - 1]! += 1
    const tags: Tag[] = []
    for (let start: Buffer | undefined = prefix; start !== undefined; ) {
      const request: ScanRequest = {
        context: strongContext(''),
        shard: first.name,
        start,
        end,
        limit: 0,
        keysOnly: false,
        reverse: false,
        at: undefined,
      }
      const page = await this.#reads.scan(request, budget)
      tags.push(...page.items.map(item => tagMessage(item, prefix)))
      const last = page.items.at(-1)
      start = page.more && last !== undefined ? Buffer.concat([last.key, Buffer.of(0)]) : undefined
    }
    return { tags }
  }

  /** The moment that a tag names, by a strong read. Rejects with `VarveError`: FAILED_PRECONDITION where there is none. */
  async lookup(name: string, budget: CallBudget): Promise<CommonMoment> {
    const map = knownMap(this.#host)
    const tag = await this.#find(name, map, budget)
    if (tag !== undefined) return askedMoment(tag.moment, map) as CommonMoment
    throw new VarveError('FAILED_PRECONDITION', `there is no tag ${name}: see the list of tags`)
  }

  async #find(name: string, map: ShardMap, budget: CallBudget): Promise<Tag | undefined> {
    const key = systemKey('tag', name, shardsOf(map)[0]!, map.shards.length)
    const read = await this.#reads.get({ context: strongContext(''), key, at: undefined }, budget)
    if (!read.found) return undefined
    return tagMessage({ ...read, key }, key.subarray(0, key.length - Buffer.byteLength(name)))
  }

  #set(
    name: string,
    value: TagValue,
    ordinal: number,
    map: ShardMap,
    onlyNew: boolean,
    budget: CallBudget,
  ): Promise<WriteResponse> {
    const request = {
      context: strongContext(value.actor),
      key: systemKey('tag', name, ordinal, map.shards.length),
      value: encodeTag(value),
      condition: onlyNew ? { ifAbsent: true } : undefined,
      returnPrevious: true,
    }
    return this.#writes.set(request, budget, true)
  }

  async #delete(
    name: string,
    actor: string,
    ordinal: number,
    map: ShardMap,
    budget: CallBudget,
  ): Promise<boolean> {
    const key = systemKey('tag', name, ordinal, map.shards.length)
    // Not to fill the log with deletions of what is not there.
    const read = await this.#reads.get({ context: strongContext(''), key, at: undefined }, budget)
    if (!read.found) return false
    const request = { context: strongContext(actor), key, condition: undefined, returnPrevious: false }
    await this.#writes.delete(request, budget, true)
    return true
  }
}

/** Ordinals of all shards, the first one first. */
function shardsOf(map: ShardMap): number[] {
  return map.shards.map(({ ordinal }) => ordinal).sort((a, b) => a - b)
}

function strongContext(actor: string): RequestContext {
  return { ...emptyContext(), consistency: Consistency.STRONG, actor }
}

function tagMessage(item: Pick<ScanItem, 'key' | 'value' | 'position'>, prefix: Buffer): Tag {
  const name = item.key.toString().slice(prefix.length)
  const value = decodeTag(item.value)
  if (value === undefined) {
    throw new VarveError('DATA_LOSS', `tag ${name} cannot be read: remove it and add it again`)
  }
  return { name, moment: commonMessage(value.moment), stamp: item.position?.stamp, actor: value.actor }
}

function isSame(one: CommonMoment, other: CommonMoment): boolean {
  return momentText('', one) === momentText('', other)
}
