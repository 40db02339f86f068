/** Names of nodes and shards short enough for the margin of a figure. */

import type { RecordedRun } from '../experiment/record/recorded-run.js'

/** What fits beside a panel. */
const NAME_LENGTH_MAX = 7

/**
 * How each address is called: by its port (`:5001`), else by what its host has that the others' have not, whichever is
 * short and no other node's; where neither is, by its place in the run (`#3`).
 */
export function nodeNames(run: RecordedRun): (address: string) => string {
  const addresses = addressesOf(run)
  const hosts = addresses.map(address => address.slice(0, address.lastIndexOf(':')))
  const ports = addresses.map(address => address.slice(address.lastIndexOf(':')))
  const candidates = [ports, withoutCommon(hosts), addresses.map((_, at) => `#${at + 1}`)]
  const names = candidates.find(areNames) ?? candidates.at(-1)!
  const byAddress = new Map(addresses.map((address, at) => [address, names[at]!]))
  return address => byAddress.get(address) ?? address
}

/** `shard_0` as `shard 0`. */
export function shardName(shard: string): string {
  return shard.replaceAll('_', ' ')
}

/** In the tree's first order; who joined later, or is none of the shards', comes last. */
function addressesOf({ about, memberships, samples, faults }: RecordedRun): string[] {
  return [
    ...new Set([
      ...Object.values(about.shards).flat(),
      ...memberships.flatMap(({ members, learners }) => [...members, ...learners]),
      ...samples.map(({ node }) => node),
      ...faults.map(({ node }) => node),
    ]),
  ].filter(address => address !== '')
}

function areNames(names: readonly string[]): boolean {
  return (
    new Set(names).size === names.length && names.every(name => name !== '' && name.length <= NAME_LENGTH_MAX)
  )
}

/** The texts without what all of them begin and end with. */
function withoutCommon(texts: readonly string[]): string[] {
  const [first = ''] = texts
  const lengthMin = Math.min(...texts.map(text => text.length))
  let start = 0
  while (start < lengthMin && texts.every(text => text[start] === first[start])) start++
  let end = 0
  while (end < lengthMin - start && texts.every(text => text.at(-1 - end) === first.at(-1 - end))) end++
  return texts.map(text => text.slice(start, text.length - end))
}
