/**
 * The next configuration, out of what sealed replicas said that they hold: who leads (I5), who goes on, who is left for
 * later. A pure question; what stands in the way is said in words.
 */
import { Topology } from '../generated/varve/v1/cluster.js'
import {
  type Configuration,
  ConfigurationStatus,
  type ReplicaSummary,
} from '../generated/varve/v1/replication.js'
import { memberAt } from './configuration.js'
import { chooseHead, survivorFault } from './head-choice.js'
import type { ListedShard, Membership } from './membership.js'
import { plantTree } from './topology.js'

/** What a sealed replica holds, and which life of its process said so. */
export interface Seal {
  readonly incarnation: number
  readonly summary: ReplicaSummary
}

export interface ProposalInput {
  readonly listed: ListedShard
  /** With the reports and the commit bound as they are known now. */
  readonly membership: Membership
  readonly epoch: number
  readonly seals: ReadonlyMap<string, Seal>
  /** Members first, in their order, then learners that caught up. */
  readonly order: readonly string[]
  /** Whom not to take. */
  readonly leftOut: (address: string) => boolean
  /** By how much a node's clock is too far ahead to lead, ms. */
  readonly clockAheadMs: (address: string) => number
  /** An operator accepts that data is lost: whoever has the most leads, survivor or not. */
  readonly force: boolean
}

export type Proposal = { readonly configuration: Configuration } | { readonly waitingFor: string }

export function propose(input: ProposalInput): Proposal {
  const { membership, seals, order, force } = input
  const summaries = new Map([...seals].map(([address, { summary }]) => [address, summary]))
  const fit = force ? ofThisLog(membership, summaries) : survivorsOf(input, summaries)
  if (fit.size === 0) return { waitingFor: nobodySurvived(input, summaries) }
  const wanted = new Map([...fit].filter(([address]) => !input.leftOut(address)))
  // Whoever leaves stays where it is the only one that has everything.
  const eligible = wanted.size === 0 ? fit : wanted
  const punctual = new Map([...eligible].filter(([address]) => input.clockAheadMs(address) === 0))
  if (punctual.size === 0) return { waitingFor: clockFault(input, [...eligible.keys()]) }
  const head = chooseHead(membership, [...order, ...summaries.keys()], punctual)!
  const { lastIndex } = summaries.get(head)!
  if (!force && lastIndex < membership.commitBound) {
    return { waitingFor: `a member that holds index ${membership.commitBound}; ${head} ends at ${lastIndex}` }
  }
  const others = force ? [] : followersOf(input, head, fit)
  return { configuration: configurationOf(input, head, others, lastIndex) }
}

function configurationOf(
  { listed, membership, epoch, seals, force }: ProposalInput,
  head: string,
  others: readonly string[],
  lastIndex: number,
): Configuration {
  const peers = [head, ...others].map(address => ({ address, incarnation: seals.get(address)!.incarnation }))
  const topology = listed.topology === 'star' ? Topology.STAR : Topology.CHAIN
  const lost = { epoch, cutIndex: lastIndex, lostToIndex: Math.max(membership.commitBound, lastIndex) }
  return {
    shard: listed.ordinal,
    logId: membership.logId,
    epoch,
    head,
    members: plantTree(topology, peers),
    topology,
    minInSync: listed.minInSync,
    status: ConfigurationStatus.PROPOSED,
    recovery: force ? lost : (membership.recovery ?? undefined),
  }
}

/** I5: those of the base that hold what they promised to keep; at birth, everyone. */
function survivorsOf(
  { membership }: ProposalInput,
  summaries: ReadonlyMap<string, ReplicaSummary>,
): Map<string, ReplicaSummary> {
  return new Map(
    [...summaries].filter(([address, summary]) => {
      const isOfBase = membership.base === null || memberAt(membership.base, address) !== undefined
      return isOfBase && survivorFault(membership, address, summary) === undefined
    }),
  )
}

function ofThisLog(
  membership: Membership,
  summaries: ReadonlyMap<string, ReplicaSummary>,
): Map<string, ReplicaSummary> {
  return new Map([...summaries].filter(([, { logId }]) => logId === '' || logId === membership.logId))
}

/**
 * Who goes on beside the head: the members in office and learners that caught up, as far as their logs are of this shard. A
 * member whose disk lost something is not taken: it comes back as a learner. Where the head comes from before the
 * configuration in office, all survivors go on with it.
 */
function followersOf(
  { membership, order, seals, leftOut }: ProposalInput,
  head: string,
  survivors: ReadonlyMap<string, ReplicaSummary>,
): string[] {
  const { active, base } = membership
  const isOfActive = active === null || memberAt(active, head) !== undefined
  const candidates = isOfActive ? order : [...survivors.keys()]
  return candidates.filter(address => {
    const seal = seals.get(address)
    if (address === head || seal === undefined || leftOut(address)) return false
    if (survivors.has(address)) return true
    const isOfBase = base !== null && memberAt(base, address) !== undefined
    return !isOfBase && seal.summary.logId === membership.logId
  })
}

function nobodySurvived(
  { membership }: ProposalInput,
  summaries: ReadonlyMap<string, ReplicaSummary>,
): string {
  const faults = [...summaries].flatMap(([address, summary]) => {
    if (membership.base !== null && memberAt(membership.base, address) === undefined) return []
    const fault = survivorFault(membership, address, summary)
    return fault === undefined ? [] : [`${address} ${fault}`]
  })
  const names = membership.base?.members.map(({ address }) => address).join(', ') ?? ''
  if (faults.length === 0) return `a survivor of epoch ${membership.base?.epoch}: one of ${names}`
  return `an operator: ${faults.join('; ')}`
}

function clockFault({ clockAheadMs }: ProposalInput, addresses: readonly string[]): string {
  const faults = addresses.map(address => `the clock of ${address} is ${clockAheadMs(address)} ms ahead`)
  return `a head with a sound clock: ${faults.join(', ')} of the others'`
}
