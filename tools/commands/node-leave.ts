/** `varve node leave`: takes a node out of its shards, and waits until it is out. */

import type { Command } from 'commander'
import { findShardMap, type GlobalOptions, parseAddress, withInspector } from '../connect.js'
import { askCoordinator, hasLeft, shardsOf, stateOf, waitForMap } from '../coordinator.js'
import { unavailable } from '../exit-codes.js'
import { printObject } from '../output.js'

interface LeaveOptions extends GlobalOptions {
  readonly shard?: string
  readonly force?: boolean
}

export function addNodeLeave(node: Command): void {
  node
    .command('leave')
    .description('take a node out of its shards; waits as long as --timeout until it is out')
    .argument('<address>', 'of the node', parseAddress)
    .option('--shard <name>', 'only out of this shard')
    .option('--force', 'even where fewer replicas stay than strong requests need')
    .addHelpText('after', '\nIts data stays on its disk. `varve node join ADDRESS` lets it back in.')
    .action((address: string, _options, command: Command) =>
      leave(address, command.optsWithGlobals<LeaveOptions>()),
    )
}

async function leave(address: string, options: LeaveOptions): Promise<void> {
  const { shard = '', force = false, timeout } = options
  await withInspector(options, async inspector => {
    const known = await findShardMap(inspector, options.endpoints)
    const { shards } = await askCoordinator(known, coordinator =>
      inspector.leave(coordinator, { address, shard, force }),
    )
    const { coordinator } = known
    const isDone = (map: typeof known) => hasLeft(map, address, shards)
    const end = await waitForMap(inspector, { coordinator, waitMs: timeout, isDone })
    if (!end.isDone) {
      const held = shardsOf(end.map, shards).filter(each => !hasLeft(end.map, address, [each.name]))
      const where = held.map(each => `${each.name} (${stateOf(each)})`).join(', ')
      throw unavailable(
        `${address} is not out of ${where} after ${timeout} ms; it goes on, \`varve status\` shows how far it is`,
      )
    }
    const now = shardsOf(end.map, shards).map(({ name, epoch, head, members }) => ({
      shard: name,
      epoch,
      head,
      members: members.map(member => member.address),
    }))
    await printObject(options.output, { address, left: now }, () =>
      now.length === 0
        ? `${address} held no replica; it is given none until \`varve node join ${address}\``
        : now.map(each => `${address} left ${each.shard}, which is at ${each.members.join(', ')}`).join('\n'),
    )
  })
}
