/** One page of the keys of all shards out of one page of each, in key order. */
import type { ScanItem, ScanRequest, ScanResponse } from '../generated/varve/v1/kv.js'

/** A merged page ends at about so many bytes of keys and values. */
export const PAGE_SIZE_BYTES_TARGET = 1_048_576
/** Items of a page where the request does not say. */
export const PAGE_ITEMS_DEFAULT = 1_000

/**
 * Merges the pages. What a shard has behind the end of its page is not known, so the merged page goes no further
 * than the end that comes first. Each item's position says which shard it is of; no one index applies to all.
 */
export function mergePages(pages: readonly ScanResponse[], request: ScanRequest, node: string): ScanResponse {
  const sign = request.reverse ? -1 : 1
  const limit = request.limit === 0 ? PAGE_ITEMS_DEFAULT : request.limit
  const order = (a: ScanItem, b: ScanItem) => sign * Buffer.compare(a.key, b.key)
  const firstEnd = pages
    .filter(page => page.more)
    .map(page => page.items.at(-1))
    .reduce(
      (first, last) => (first === undefined || (last !== undefined && order(last, first) < 0) ? last : first),
      undefined,
    )
  const known = pages
    .flatMap(page => page.items)
    .filter(item => firstEnd === undefined || order(item, firstEnd) <= 0)
    .sort(order)
  const items: ScanItem[] = []
  let sizeBytes = 0
  for (const item of known) {
    if (items.length >= limit || sizeBytes >= PAGE_SIZE_BYTES_TARGET) break
    items.push(item)
    sizeBytes += item.key.length + item.value.length
  }
  const held = pages.reduce((sum, page) => sum + page.items.length, 0)
  return {
    items,
    more: pages.some(page => page.more) || items.length < held,
    appliedIndex: 0,
    node,
    cuts: [],
  }
}
