/**
 * Who holds a shard in one epoch (I1), and the questions that the state machines ask of it.
 * A configuration is a value: nothing here alters one.
 */
import {
  type Configuration,
  type ConfigurationMember,
  ConfigurationStatus,
} from '../generated/varve/v1/replication.js'

/** The members of each configuration by address: every message asks for its sender, and a chain may be long. */
const MEMBERS = new WeakMap<Configuration, ReadonlyMap<string, ConfigurationMember>>()

/** The member at this address, whatever its incarnation. */
export function memberAt(configuration: Configuration, address: string): ConfigurationMember | undefined {
  let members = MEMBERS.get(configuration)
  if (members === undefined) {
    members = new Map(configuration.members.map(member => [member.address, member]))
    MEMBERS.set(configuration, members)
  }
  return members.get(address)
}

/** True if this very process (I2: address and incarnation) is a member. */
export function isMember(configuration: Configuration, address: string, incarnation: number): boolean {
  return memberAt(configuration, address)?.incarnation === incarnation
}

/** The members that follow `address`, in the configuration's order. */
export function childrenOf(configuration: Configuration, address: string): ConfigurationMember[] {
  return configuration.members.filter(member => member.upstream === address)
}

/** True while a commit may count: the shard has as many members as a strong acknowledgement asks for (I4). */
export function hasEnoughMembers(configuration: Configuration): boolean {
  return configuration.members.length >= configuration.minInSync
}

export function isActive(configuration: Configuration): boolean {
  return configuration.status === ConfigurationStatus.ACTIVE
}

/** The same configuration, in office. */
export function activated(configuration: Configuration): Configuration {
  return { ...configuration, status: ConfigurationStatus.ACTIVE }
}

/**
 * Checks what a configuration promises: the head is a member without an upstream, every other member's upstream is
 * a member, and all of them hang on the head. Returns what is wrong in words, or undefined.
 */
export function configurationFault(configuration: Configuration): string | undefined {
  const { members, head, epoch } = configuration
  const addresses = new Set(members.map(member => member.address))
  if (epoch < 1) return `epoch ${epoch} is not positive`
  if (addresses.size !== members.length) return 'an address is named twice'
  if (memberAt(configuration, head)?.upstream !== '') return `head ${head} is not a member without upstream`
  const hanging = new Set([head])
  for (const member of members) {
    if (!reachesHead(configuration, member, hanging)) return `${member.address} does not hang on the head`
  }
  return undefined
}

/** `hanging`: those of whom that is known; whoever is met on the way is added. */
function reachesHead(
  configuration: Configuration,
  member: ConfigurationMember,
  hanging: Set<string>,
): boolean {
  const way = new Set<string>()
  let at: ConfigurationMember | undefined = member
  while (at !== undefined && !hanging.has(at.address)) {
    if (way.has(at.address)) return false
    way.add(at.address)
    at = memberAt(configuration, at.upstream)
  }
  if (at === undefined) return false
  for (const address of way) hanging.add(address)
  return true
}
