/** Writers that never stop, and what they know: which values were acknowledged, which may or may not be there. */
import { connect, type VarveClient } from '../../../src/client/client.js'

export interface KeyKnowledge {
  /** Sequence of the last write that was acknowledged; 0 for none. */
  acknowledged: number
  /** Highest index that an acknowledgement gave. */
  index: number
  /** Sequence of the last write that was issued. */
  issued: number
}

/** Each worker writes 1, 2, 3 ... to a key of its own, as fast as it is answered. */
export class Load {
  readonly known = new Map<string, KeyKnowledge>()
  readonly #client: VarveClient
  #isStopping = false
  #workers: Promise<void>[] = []

  private constructor(client: VarveClient) {
    this.#client = client
  }

  static async start(
    endpoints: readonly string[],
    consistency: 'strong' | 'weak',
    workers: number,
  ): Promise<Load> {
    const client = await connect([...endpoints], { consistency, timeoutMs: 60_000 })
    const load = new Load(client)
    load.#workers = Array.from({ length: workers }, (_, at) => load.#work(`worker-${at}`))
    return load
  }

  get acknowledged(): number {
    return [...this.known.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  }

  /** Ends it at once; what is in flight ends as unknown. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#client.close()
    await Promise.all(this.#workers)
  }

  async #work(key: string): Promise<void> {
    const knowledge: KeyKnowledge = { acknowledged: 0, index: 0, issued: 0 }
    this.known.set(key, knowledge)
    while (!this.#isStopping) {
      knowledge.issued += 1
      try {
        const { index } = await this.#client.set(key, String(knowledge.issued))
        knowledge.acknowledged = knowledge.issued
        knowledge.index = index
      } catch {
        // Unknown: it may be there or not. Whoever checks allows for both.
        return
      }
    }
  }
}
