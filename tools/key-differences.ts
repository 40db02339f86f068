/** Which keys two replicas of a shard hold differently, found by walking through both in key order. */

import type { Inspector } from '../src/client/inspector.js'

/** A key and what a replica holds under it. */
export interface HeldKey {
  readonly key: Buffer
  readonly index: number
  readonly value: Buffer
}

/** A key that is not held alike; undefined where a replica does not hold it. */
export interface KeyDifference {
  readonly key: Buffer
  readonly left: HeldKey | undefined
  readonly right: HeldKey | undefined
}

const PAGE_KEYS = 500

/** The keys in which two ascending sequences differ, in key order. */
export async function* keyDifferences(
  left: AsyncIterable<HeldKey>,
  right: AsyncIterable<HeldKey>,
): AsyncGenerator<KeyDifference> {
  const lefts = left[Symbol.asyncIterator]()
  const rights = right[Symbol.asyncIterator]()
  let a = await nextOf(lefts)
  let b = await nextOf(rights)
  while (a !== undefined || b !== undefined) {
    const order = a === undefined ? 1 : b === undefined ? -1 : a.key.compare(b.key)
    if (order < 0) {
      yield { key: a!.key, left: a, right: undefined }
      a = await nextOf(lefts)
    } else if (order > 0) {
      yield { key: b!.key, left: undefined, right: b }
      b = await nextOf(rights)
    } else {
      if (a!.index !== b!.index || !a!.value.equals(b!.value)) yield { key: a!.key, left: a, right: b }
      a = await nextOf(lefts)
      b = await nextOf(rights)
    }
  }
}

/** All keys of one replica, as it alone holds them, in key order. */
export async function* heldKeys(
  inspector: Inspector,
  address: string,
  shard: string,
): AsyncGenerator<HeldKey> {
  let start = Buffer.alloc(0)
  for (;;) {
    const page = await inspector.scanLocal(address, { shard, start, limit: PAGE_KEYS })
    for (const { key, value, position } of page.items) yield { key, value, index: position?.index ?? 0 }
    const last = page.items.at(-1)
    if (!page.more || last === undefined) return
    // The smallest key above the last one.
    start = Buffer.concat([last.key, Buffer.of(0)])
  }
}

async function nextOf(held: AsyncIterator<HeldKey>): Promise<HeldKey | undefined> {
  const next = await held.next()
  return next.done ? undefined : next.value
}
