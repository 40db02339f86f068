/** The coordinator as a process of the simulation: the real `CoordinatorNode` over a store and a network of ours. */
import { nullLogger } from '../../../src/log/logger.js'
import { CoordinatorNode, type CoordinatorNodeOptions } from '../../../src/node/coordinator-node.js'
import type { ListedShard, MembershipStore } from '../../../src/replication/membership.js'
import type { Services } from './calls.js'
import { simulatedChannels } from './channels.js'
import type { MembershipDisk } from './membership-disk.js'
import { SimProcess, type World } from './process.js'
import type { Life } from './schedule.js'
import { handlersOf } from './serve.js'

const RESTART_MS = 500

/** The constructor that `CoordinatorNode.open` calls with the store that it opened. */
type Construct = new (options: CoordinatorNodeOptions, store: MembershipStore) => CoordinatorNode

export interface CoordinatorSettings {
  readonly shards: readonly ListedShard[]
  readonly defaultConsistency: 'strong' | 'weak'
}

export class CoordinatorProcess extends SimProcess {
  node: CoordinatorNode | undefined
  readonly disk: MembershipDisk
  readonly #settings: CoordinatorSettings
  readonly #services: Services

  constructor(
    address: string,
    world: World,
    services: Services,
    disk: MembershipDisk,
    settings: CoordinatorSettings,
  ) {
    super(address, world)
    this.#services = services
    this.#settings = settings
    this.disk = disk
  }

  protected begin(life: Life): void {
    const { network } = this.world
    const node = new (CoordinatorNode as unknown as Construct)(
      {
        address: this.address,
        dataDir: 'sim:coordinator',
        ...this.#settings,
        transport: () => network.attach(life, this.address),
        logger: nullLogger,
        version: 'simulated',
        onFatal: message => this.#fatal(life, message),
      },
      this.disk.open(life),
    )
    this.node = node
    const channels = simulatedChannels(this.#services, life, this.address)
    this.#services.serve(life, this.address, handlersOf(node, channels))
    node.start()
  }

  protected ended(life: Life): void {
    this.node = undefined
    this.#services.died(life)
  }

  #fatal(life: Life, message: string): void {
    if (life.isDead) return
    this.world.trace.note(`${this.address}: ends itself: ${message}`)
    const isOvertaken = message.includes('another coordinator')
    if (isOvertaken) this.world.trace.count('transition: a coordinator finds another one')
    else this.world.violation(`${this.address} ended: ${message}`)
    this.kill()
    this.world.schedule.after(undefined, RESTART_MS, () => this.start())
  }
}
