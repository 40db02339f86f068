/** A cluster that ran before the experiment and goes on after it. */

import { Inspector } from '../../../src/client/inspector.js'
import type { ShardMap } from '../../../src/generated/varve/v1/cluster.js'
import { splitAddress } from '../../../src/node/address.js'
import { findShardMap } from '../../connect.js'
import { badUsage, unavailable } from '../../exit-codes.js'
import { endNode, folderOf, type NodeProcess, nodeByStatus } from '../../local/node-process.js'
import { Pause } from '../../local/pause.js'
import { accepts } from '../../local/ports.js'
import { startNode } from '../../local/start-node.js'
import { nodesInMap } from '../../replica-role.js'
import type { ExperimentCluster } from './experiment-cluster.js'

const INSPECT_TIMEOUT_MS = 5_000
const END_GRACE_MS = 10_000
const LISTEN_MS_MAX = 60_000
const STAR = 2

export class RunningCluster implements ExperimentCluster {
  readonly coordinator: string
  readonly topology: 'chain' | 'star'
  readonly nodes: readonly string[]
  readonly shards: Readonly<Record<string, readonly string[]>>
  readonly startedInMs = undefined
  readonly #inspector: Inspector
  /** Processes that the run ended or made silent: a node that does not answer cannot be found any more. */
  readonly #found = new Map<string, NodeProcess>()
  readonly #paused = new Map<string, Pause>()

  /** Looks at the cluster at one of the endpoints. Exit code 3 where none answers. */
  static async at(endpoints: readonly string[]): Promise<RunningCluster> {
    const wrong = endpoints.find(endpoint => splitAddress(endpoint) === undefined)
    if (wrong !== undefined) throw badUsage(`cluster.endpoints: ${wrong} given, expected host:port`)
    const inspector = new Inspector({ timeoutMs: INSPECT_TIMEOUT_MS })
    try {
      return new RunningCluster(inspector, await findShardMap(inspector, endpoints))
    } catch (error) {
      inspector.close()
      throw error
    }
  }

  private constructor(inspector: Inspector, map: ShardMap) {
    this.#inspector = inspector
    this.coordinator = map.coordinator
    this.topology = map.shards[0]?.topology === STAR ? 'star' : 'chain'
    this.nodes = nodesInMap(map).sort()
    this.shards = Object.fromEntries(
      map.shards.map(({ name, members }) => [name, members.map(({ address }) => address)]),
    )
  }

  async end(address: string, isClean: boolean): Promise<void> {
    await endNode(await this.#process(address), isClean, END_GRACE_MS)
  }

  async start(address: string): Promise<void> {
    const found = this.#found.get(address)
    const folder = found === undefined ? undefined : folderOf(found)
    if (folder === undefined) {
      throw unavailable(
        `${address} cannot be started from here: it is in no folder of a \`varve up\` on this machine`,
      )
    }
    await startNode(folder, address, LISTEN_MS_MAX)
  }

  async pause(address: string): Promise<void> {
    this.#paused.set(address, await Pause.begin((await this.#process(address)).pid))
  }

  async resume(address: string): Promise<void> {
    await this.#paused.get(address)?.end()
    this.#paused.delete(address)
  }

  async isRunning(address: string): Promise<boolean> {
    const found = this.#found.get(address)
    return found === undefined ? accepts(address) : found.isThere() || accepts(address)
  }

  async close(): Promise<void> {
    for (const pause of this.#paused.values()) await pause.end()
    this.#inspector.close()
  }

  /** The process at an address of this machine. Rejects where there is none: only local ones can be signalled. */
  async #process(address: string): Promise<NodeProcess> {
    const known = this.#found.get(address)
    if (known?.isThere()) return known
    const status = await this.#inspector.nodeStatus(address)
    const found = nodeByStatus(status)
    if (found === undefined)
      throw unavailable(`${address} is no node process of this machine: it cannot be signalled`)
    this.#found.set(address, found)
    return found
  }
}
