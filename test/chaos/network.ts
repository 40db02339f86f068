/**
 * The network between the processes of a cluster: every ordered pair of processes has a TCP relay of its own, so that
 * what one sends to another can be held back, delayed or reset, one way or both.
 *
 * A direction that is cut holds bytes back, and the ends of connections too: as over a cut cable, the other side
 * hears nothing, and what was under way arrives when the cut heals, as TCP would send it again. Connections that are
 * opened over a cut stay silent.
 */
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net'
import { PathDirection } from './path-direction.js'

/** A relay reads no more from a sender while this much waits. */
const WAITING_BYTES_MAX = 1_048_576

export class ChaosNetwork {
  readonly #directions = new Map<string, PathDirection>()
  readonly #relays: Relay[] = []

  /** What passed so far, over all relays. */
  get passedBytes(): number {
    return [...this.#directions.values()].reduce((sum, { passedBytes }) => sum + passedBytes, 0)
  }

  /** Opens the relays between all of them; they know each other's ports before any process starts. */
  static async open(addresses: readonly string[]): Promise<ChaosNetwork> {
    const network = new ChaosNetwork()
    for (const from of addresses) {
      for (const to of addresses) {
        if (from === to) continue
        const relay = new Relay(from, to, network.direction(from, to), network.direction(to, from))
        network.#relays.push(relay)
        await relay.listen()
      }
    }
    return network
  }

  /** What the process at that address must dial to reach each of the others: for VARVE_DIAL. */
  dialMap(from: string): Record<string, string> {
    const own = this.#relays.filter(relay => relay.from === from)
    return Object.fromEntries(own.map(({ to, port }) => [to, `127.0.0.1:${port}`]))
  }

  /** What travels from one process to another, on connections that either of them opened. */
  direction(from: string, to: string): PathDirection {
    const name = `${from} ${to}`
    let direction = this.#directions.get(name)
    if (direction === undefined) {
      direction = new PathDirection()
      this.#directions.set(name, direction)
    }
    return direction
  }

  /** Resets all connections between two processes, at both ends. */
  reset(one: string, other: string): void {
    for (const relay of this.#relays) {
      const isBetween = [relay.from, relay.to].every(address => address === one || address === other)
      if (isBetween) relay.reset()
    }
  }

  /** Ends every cut and delay. */
  heal(): void {
    for (const direction of this.#directions.values()) direction.heal()
  }

  async close(): Promise<void> {
    await Promise.all(this.#relays.map(relay => relay.close()))
  }
}

/** Listens in the place of `to` for `from` alone. */
class Relay {
  readonly from: string
  readonly to: string
  readonly #forth: PathDirection
  readonly #back: PathDirection
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  port = 0

  constructor(from: string, to: string, forth: PathDirection, back: PathDirection) {
    this.from = from
    this.to = to
    this.#forth = forth
    this.#back = back
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, client => this.#accept(client))
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', () => {
        this.port = (this.#server.address() as { port: number }).port
        resolve()
      })
    })
  }

  reset(): void {
    for (const socket of this.#sockets) resetOf(socket)
  }

  async close(): Promise<void> {
    this.reset()
    await new Promise(resolve => this.#server.close(resolve))
  }

  /** The connection to the other side is opened when the first bytes may pass. */
  #accept(client: Socket): void {
    this.#keep(client)
    this.#forth.whenOpen(() => {
      if (client.destroyed) return
      const [host, port] = splitAddress(this.to)
      const server = tcpConnect({ host, port, allowHalfOpen: true, noDelay: true })
      this.#keep(server)
      pump(client, server, this.#forth)
      pump(server, client, this.#back)
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

/** Hands on what the source sends, and how it ends, as the direction lets it. */
function pump(source: Socket, sink: Socket, direction: PathDirection): void {
  let waitingBytes = 0
  let hasEnded = false
  source.on('data', (chunk: Buffer) => {
    waitingBytes += chunk.length
    if (waitingBytes > WAITING_BYTES_MAX) source.pause()
    direction.pass(() => {
      waitingBytes -= chunk.length
      direction.passedBytes += chunk.length
      if (sink.destroyed) return
      // A sink that takes no more holds its source back; what the direction holds is bounded by the above.
      if (!sink.write(chunk)) {
        source.pause()
        sink.once('drain', () => source.resume())
      } else if (source.isPaused() && waitingBytes <= WAITING_BYTES_MAX) {
        source.resume()
      }
    })
  })
  source.once('end', () => {
    hasEnded = true
    direction.pass(() => {
      sink.end()
    })
  })
  source.once('close', () => {
    if (hasEnded) return
    direction.pass(() => resetOf(sink))
  })
}

/** A socket that is being shut down cannot be reset any more: Node.js would keep its handle open for ever. */
function resetOf(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function splitAddress(address: string): [host: string, port: number] {
  const at = address.lastIndexOf(':')
  return [address.slice(0, at), Number(address.slice(at + 1))]
}
