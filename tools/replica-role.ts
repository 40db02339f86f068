/** Which replica a person means by `HEAD`, `MIDDLE`, `TAIL`, `LEAF` or an address, by the shard map. Pure. */

import type { Shard, ShardMap } from '../src/generated/varve/v1/cluster.js'
import { splitAddress } from '../src/node/address.js'
import { badUsage } from './exit-codes.js'
import { plural } from './text.js'

/** Roles that can be named. A chain has no leaf, a star neither middle nor tail. */
export const ROLE_NAMES = ['HEAD', 'MIDDLE', 'TAIL', 'LEAF'] as const
export type RoleName = (typeof ROLE_NAMES)[number]

/** What a person named: a role of some shard, or a node. */
export type Target =
  | { readonly kind: 'role'; readonly role: RoleName }
  | { readonly kind: 'address'; readonly address: string }

/** A replica of a node, and what it is to its shard. */
export interface HeldRole {
  readonly shard: string
  readonly role: 'head' | 'middle' | 'tail' | 'leaf' | 'learner'
}

const STAR = 2

/** Reads the argument that names a replica. Roles may be written in any case. Throws bad usage. */
export function parseTarget(text: string): Target {
  const role = ROLE_NAMES.find(name => name === text.toUpperCase())
  if (role !== undefined) return { kind: 'role', role }
  if (splitAddress(text) !== undefined) return { kind: 'address', address: text }
  throw badUsage(`${text} given, expected HEAD, MIDDLE, TAIL, LEAF or the address of a node (host:port)`)
}

/** The shard of that name; without a name the only one there is. Throws bad usage that names those there are. */
export function shardNamed(map: ShardMap, name: string | undefined, whose: string): Shard {
  const names = map.shards.map(shard => shard.name).join(', ')
  if (name === undefined) {
    if (map.shards.length === 1) return map.shards[0]!
    throw badUsage(`--shard is missing: ${whose} of which shard? The cluster has ${names}`)
  }
  const shard = map.shards.find(each => each.name === name)
  if (shard === undefined) throw badUsage(`shard "${name}" given, the cluster has ${names}`)
  return shard
}

/**
 * The address that holds a role in a shard now. Of several middles or leaves the one nearest the head. In a chain of
 * one the head is the tail as well. Throws bad usage where there is no such replica, saying which there are.
 */
export function addressOfRole(shard: Shard, role: RoleName): string {
  const members = shard.members.map(({ address }) => address)
  if (members.length === 0) {
    const reason = shard.waitingFor === '' ? shard.status : `${shard.status}: ${shard.waitingFor}`
    throw badUsage(`${shard.name} has no ${role} now (${reason}): give the address of a node`)
  }
  const found = replicasByRole(shard)[role]
  if (found === undefined) throw badUsage(`${shard.name} ${missingRole(shard, role)}`)
  return found
}

/** All that a node is to the shards by the map, in the shards' order. */
export function rolesAt(map: ShardMap, address: string): HeldRole[] {
  return map.shards.flatMap((shard): HeldRole[] => {
    const at = shard.members.findIndex(member => member.address === address)
    if (at !== -1) return [{ shard: shard.name, role: roleAt(shard, at) }]
    const learns = shard.learners.some(learner => learner.address === address)
    return learns ? [{ shard: shard.name, role: 'learner' }] : []
  })
}

/** Roles in words, those of the same kind together: `head of shard_0; middle of shard_1, shard_2`. */
export function rolesText(roles: readonly HeldRole[]): string {
  const kinds = [...new Set(roles.map(({ role }) => role))]
  return kinds
    .map(kind => {
      const shards = roles.filter(({ role }) => role === kind).map(({ shard }) => shard)
      return `${kind} of ${shards.length > 6 ? `${shards.length} shards` : shards.join(', ')}`
    })
    .join('; ')
}

/** Every node that the map names, each once. */
export function nodesInMap(map: ShardMap): string[] {
  const addresses = map.shards.flatMap(({ members, learners }) => [...members, ...learners])
  return [...new Set(addresses.map(({ address }) => address))]
}

function roleAt(shard: Shard, at: number): HeldRole['role'] {
  if (at === 0) return 'head'
  if (shard.topology === STAR) return 'leaf'
  return at === shard.members.length - 1 ? 'tail' : 'middle'
}

function replicasByRole(shard: Shard): Partial<Record<RoleName, string>> {
  const members = shard.members.map(({ address }) => address)
  const [head, second] = members
  if (shard.topology === STAR) return { HEAD: head!, ...(second === undefined ? {} : { LEAF: second }) }
  const middle = members.length > 2 ? { MIDDLE: second! } : {}
  return { HEAD: head!, ...middle, TAIL: members.at(-1)! }
}

function missingRole(shard: Shard, role: RoleName): string {
  const there = Object.entries(replicasByRole(shard)).map(([name, address]) => `${name} ${address}`)
  const shape = `${shard.topology === STAR ? 'a star' : 'a chain'} of ${plural(shard.members.length, 'replica')}`
  return `is ${shape} without a ${role}: expected ${there.join(', ')}, or the address of a node`
}
