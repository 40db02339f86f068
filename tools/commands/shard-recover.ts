/** `varve shard recover`: puts a shard that waits for lost members into office with what is left of it. */

import type { Command } from 'commander'
import type { Inspector } from '../../src/client/inspector.js'
import type { NodeInfo, RecoverResponse, Shard, ShardMap } from '../../src/generated/varve/v1/cluster.js'
import { findShardMap, type GlobalOptions, parseAddress, withInspector } from '../connect.js'
import { askCoordinator, stateOf, waitForMap } from '../coordinator.js'
import { badUsage } from '../exit-codes.js'
import { printObject } from '../output.js'
import { shardNamed } from '../replica-role.js'
import { count, plural } from '../text.js'

interface RecoverOptions extends GlobalOptions {
  readonly acceptDataLoss?: boolean
  readonly from?: string
}

export function addShardRecover(shard: Command): void {
  shard
    .command('recover')
    .description('give up what only lost members of a shard hold, and go on with what is left')
    .argument('<shard>', 'name of the shard')
    .option('--accept-data-loss', 'without it, only says what would be lost')
    .option('--from <address>', 'whose log counts (default: the one with the most)', parseAddress)
    .addHelpText('after', '\nThe last resort: start the lost members instead, if they can be.')
    .action((name: string, _options, command: Command) =>
      recover(name, command.optsWithGlobals<RecoverOptions>()),
    )
}

async function recover(name: string, options: RecoverOptions): Promise<void> {
  await withInspector(options, async inspector => {
    const map = await findShardMap(inspector, options.endpoints)
    const shard = shardNamed(map, name, 'recover')
    if (!options.acceptDataLoss) throw badUsage(await whatIsAtStake(inspector, map, shard, options.from))
    const request = { shard: name, acceptDataLoss: true, address: options.from ?? '' }
    const done = await askCoordinator(map, coordinator => inspector.recover(coordinator, request))
    const { coordinator } = map
    const isDone = (newer: ShardMap) => isInOffice(newer, name, done.epoch)
    const end = await waitForMap(inspector, { coordinator, waitMs: options.timeout, isDone }).catch(
      () => undefined,
    )
    const state = end?.map.shards.find(each => each.name === name)
    await printObject(options.output, { shard: name, ...done, status: state?.status ?? null }, () =>
      recoveredText(name, done, state),
    )
  })
}

function isInOffice(map: ShardMap, name: string, epoch: number): boolean {
  const shard = map.shards.find(each => each.name === name)
  return shard !== undefined && shard.epoch >= epoch && shard.status === 'ACTIVE'
}

/** One line for somebody who has to decide: what is left, what may be lost, and what else could be done. */
async function whatIsAtStake(
  inspector: Inspector,
  map: ShardMap,
  shard: Shard,
  from: string | undefined,
): Promise<string> {
  if (shard.status === 'ACTIVE') {
    return `${shard.name} serves (head ${shard.head}): there is nothing to recover`
  }
  const nodes = (await inspector.listNodes(map.coordinator).catch(() => undefined))?.nodes ?? []
  const held = nodes.flatMap(node => indexOn(node, shard.name))
  const there = held.filter(each => each.isAlive && (from === undefined || each.address === from))
  const best = there.sort((a, b) => b.index - a.index)[0]
  const missing = held.filter(each => !each.isAlive).map(({ address }) => address)
  const left =
    best === undefined
      ? 'no node that answers is known to hold any of it'
      : `the log of ${best.address} ends at ${count(best.index)}`
  const known = Math.max(0, ...held.map(({ index }) => index))
  const lost =
    best !== undefined && known > best.index
      ? `entries ${count(best.index + 1)} to ${count(known)} and whatever else only ${missing.join(', ')} may hold`
      : `whatever only ${missing.length === 0 ? 'members that do not answer' : missing.join(', ')} may hold`
  const remedy = 'start those instead if you can, or repeat this with --accept-data-loss'
  return `${shard.name} (${stateOf(shard)}): ${left}; lost for good would be ${lost}: ${remedy}`
}

function indexOn(node: NodeInfo, shard: string) {
  const replica = node.replicas.find(each => each.shard === shard)
  if (replica === undefined) return []
  return [{ address: node.address, index: replica.index, isAlive: node.state === 'alive' }]
}

function recoveredText(name: string, done: RecoverResponse, state: Shard | undefined): string {
  const { head, epoch, cutIndex, lostToIndex } = done
  const lost =
    lostToIndex > cutIndex
      ? `${plural(lostToIndex - cutIndex, 'entry', 'entries')} known to be committed, ` +
        `${count(cutIndex + 1)} to ${count(lostToIndex)}, lost`
      : 'nothing that was known to be committed is lost'
  const now = state === undefined ? 'the coordinator does not answer now' : `now ${stateOf(state)}`
  return `${name}: head ${head}, epoch ${epoch}, the log is cut at ${count(cutIndex)}; ${lost}; ${now}`
}
