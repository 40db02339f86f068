/**
 * A client as a process of the simulation: the real client over simulated connections, and the application that uses
 * it. What it asked for and what it heard goes into the history.
 */
import { Calls } from '../../../src/client/calls.js'
import { VarveClient } from '../../../src/client/client.js'
import { ClientCore } from '../../../src/client/core.js'
import { encodingOf } from '../../../src/client/encoding.js'
import { VarveError } from '../../../src/client/errors.js'
import { nullLogger } from '../../../src/log/logger.js'
import type { Services } from './calls.js'
import { simulatedChannels } from './channels.js'
import { SimProcess, type World } from './process.js'
import type { Life } from './schedule.js'

/** How long a call of the simulated applications may take, ms. */
export const CALL_TIMEOUT_MS = 4_000

/** A new client that lives in this life. It knows no shard map before `core.map.start`. */
export function makeClient(services: Services, life: Life, name: string, endpoints: readonly string[]) {
  const utf8 = encodingOf('utf8', 'keyEncoding')
  const core = new ClientCore({
    channels: simulatedChannels(services, life, name),
    endpoints,
    logger: nullLogger,
    actor: '',
    valueEncoding: utf8,
    inFlightMax: 1_000,
    inFlightBytesMax: 2 ** 20,
  })
  const calls = new Calls(core, utf8, utf8, { consistency: 'strong', timeoutMs: CALL_TIMEOUT_MS })
  const client = new VarveClient<string, string>(core, calls, {
    keyEncoding: utf8,
    valueEncoding: utf8,
    timeoutMs: CALL_TIMEOUT_MS,
  })
  return { core, client }
}

/** What an application does with its client. It runs until `isOver`. */
export type Application = (client: VarveClient<string, string>, isOver: () => boolean) => Promise<void>[]

export class ClientProcess extends SimProcess {
  /** True when everything that it began has ended. */
  isIdle = false
  /** Nothing new is begun any more. */
  isOver = false
  readonly #services: Services
  readonly #endpoints: readonly string[]
  readonly #application: Application

  constructor(
    name: string,
    world: World,
    services: Services,
    endpoints: readonly string[],
    application: Application,
  ) {
    super(name, world)
    this.#services = services
    this.#endpoints = endpoints
    this.#application = application
  }

  protected begin(life: Life): void {
    void this.#live(life)
  }

  protected ended(life: Life): void {
    this.isIdle = true
    this.#services.died(life)
  }

  async #live(life: Life): Promise<void> {
    const { core, client } = makeClient(this.#services, life, this.address, this.#endpoints)
    this.isIdle = false
    for (;;) {
      try {
        await core.map.start(10_000, true)
        break
      } catch (error) {
        if (!(error instanceof VarveError)) throw error
        this.world.trace.detail(() => `${this.address}: no shard map yet: ${error.message}`)
      }
    }
    await Promise.all(this.#application(client, () => this.isOver))
    await client.close()
    this.isIdle = true
  }
}
