/** A storage node as a process of the simulation: the real `StorageNode` over a disk, a network and clients of ours. */
import { LogError } from '../../../src/log/errors.js'
import { LevelLogStore } from '../../../src/log/level-log.js'
import type { LogStore } from '../../../src/log/log.js'
import { nullLogger } from '../../../src/log/logger.js'
import { StorageNode } from '../../../src/node/storage-node.js'
import type { Services } from './calls.js'
import { simulatedChannels } from './channels.js'
import { Disk } from './disk.js'
import { SimProcess, type World } from './process.js'
import type { Life } from './schedule.js'
import { handlersOf } from './serve.js'

/** A supervisor starts a process that ended by itself again after this long, ms. */
const RESTART_MS = 500

const stores = new Map<string, () => LogStore>()

// The data folder of a simulated node is no folder: whoever opens it gets the disk of that name.
LevelLogStore.open = (async ({ dir }: { dir: string }) =>
  stores.get(dir)!()) as unknown as typeof LevelLogStore.open

/** What is known of the cluster when a node is started. */
export interface NodeSettings {
  readonly coordinator: string
  readonly shards: readonly { readonly ordinal: number; readonly name: string }[]
  /** Ordinals of the shards that it holds from the beginning. */
  readonly hosted: readonly number[]
}

export class NodeProcess extends SimProcess {
  readonly disk: Disk
  node: StorageNode | undefined
  /** New at each start; 0 before the first. */
  incarnation = 0
  /** A log is being trimmed: not twice at a time. */
  isTrimming = false
  readonly #settings: NodeSettings
  readonly #services: Services

  constructor(address: string, world: World, services: Services, settings: NodeSettings) {
    super(address, world)
    this.#services = services
    this.#settings = settings
    this.disk = new Disk(address, world)
  }

  /** The folder that the node thinks it works in. */
  get dataDir(): string {
    return `sim:${this.address}`
  }

  /** As a signal does: the process makes everything durable, says goodbye and ends. It starts again after so long. */
  endInOrder(downMs: number): void {
    const { life, node } = this
    if (life === undefined || node === undefined) return
    const end = () => {
      if (life.isDead) return
      this.kill()
      this.world.schedule.after(undefined, downMs, () => this.start())
    }
    const begin = async () => {
      await node.sayGoodbye()
      await node.stop()
    }
    this.run(() => {
      begin().then(end, error => {
        // A disk that fails meanwhile ends the process, too.
        if (this.disk.folder.store.poisoned === undefined) this.world.violation(`${this.address}: ${error}`)
        end()
      })
    })
  }

  violated(what: string): void {
    this.world.violation(`${this.address}: ${what}`)
  }

  protected begin(life: Life): void {
    this.isTrimming = false
    stores.set(this.dataDir, () => this.disk.open(life))
    const { network } = this.world
    const options = {
      address: this.address,
      dataDir: this.dataDir,
      ...this.#settings,
      transport: () => network.attach(life, this.address),
      logger: nullLogger,
      version: 'simulated',
      onFatal: (message: string) => this.#fatal(life, message),
    }
    StorageNode.open(options).then(
      node => this.#opened(life, node),
      error => this.#failed(life, error),
    )
  }

  protected ended(life: Life): void {
    this.node = undefined
    this.#services.died(life)
    // The code that is running may still have a step to go: the disk must not be taken from under it.
    this.world.schedule.after(undefined, 0, () => this.disk.crash())
  }

  #opened(life: Life, node: StorageNode): void {
    if (life.isDead) return
    this.node = node
    this.incarnation = node.incarnation
    const channels = simulatedChannels(this.#services, life, this.address)
    this.#services.serve(life, this.address, handlersOf(node, channels))
    node.start()
  }

  #failed(life: Life, error: unknown): void {
    if (life.isDead) return
    this.kill()
    const isDamaged = error instanceof LogError && error.code === 'LOG_DAMAGED'
    if (!isDamaged || !this.disk.folder.isDamaged) {
      this.world.violation(`${this.address} cannot start: ${error instanceof Error ? error.stack : error}`)
      return
    }
    this.world.trace.note(`${this.address}: finds its log damaged, begins with an empty one`)
    this.world.trace.count('transition: a damaged log is set aside')
    this.#restartWith(() => this.disk.replace())
  }

  /** The process ended itself. */
  #fatal(life: Life, message: string): void {
    if (life.isDead) return
    this.world.trace.note(`${this.address}: ends itself: ${message}`)
    this.world.trace.count('transition: a process ends itself')
    if (!message.startsWith('the log store failed')) this.world.violation(`${this.address} ended: ${message}`)
    this.kill()
    this.#restartWith(() => {})
  }

  #restartWith(before: () => void): void {
    this.world.schedule.after(undefined, RESTART_MS, () => {
      if (this.isUp) return
      before()
      this.start()
    })
  }
}
