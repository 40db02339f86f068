/** Which clients the request table knows, and which of them was used least recently. */
import { ClientWindow } from './client-window.js'

/** Clients by id, and by a small number that undo rows keep. */
export class ClientDirectory {
  readonly #clients = new Map<string, ClientWindow>()
  readonly #byNumber: (ClientWindow | undefined)[] = []
  readonly #freeNumbers: number[] = []
  /** The client of the last call and its id as four words: most calls are for the same one. */
  #last: ClientWindow | undefined
  readonly #lastWords = new Int32Array(4)

  numbered(number: number): ClientWindow {
    return this.#byNumber[number]!
  }

  find(clientId: Buffer): ClientWindow | undefined {
    const words = this.#lastWords
    const word0 = clientId.readInt32LE(0)
    const word1 = clientId.readInt32LE(4)
    const word2 = clientId.readInt32LE(8)
    const word3 = clientId.readInt32LE(12)
    const isLast = words[3] === word3 && words[2] === word2 && words[1] === word1 && words[0] === word0
    if (isLast && this.#last !== undefined) return this.#last
    const client = this.#clients.get(nameOf(clientId))
    if (client === undefined) return undefined
    this.#last = client
    words[0] = word0
    words[1] = word1
    words[2] = word2
    words[3] = word3
    return client
  }

  /** Undefined for the id that means nobody. */
  findOrAdd(clientId: Buffer): ClientWindow | undefined {
    const found = this.find(clientId)
    if (found !== undefined || isNobody(clientId)) return found
    const number = this.#freeNumbers.pop() ?? this.#byNumber.length
    const client = new ClientWindow(nameOf(clientId), creationOf(clientId), number)
    this.#byNumber[number] = client
    this.#clients.set(client.name, client)
    return client
  }

  remove(client: ClientWindow): void {
    this.#clients.delete(client.name)
    this.#byNumber[client.number] = undefined
    this.#freeNumbers.push(client.number)
    if (this.#last === client) this.#last = undefined
  }
}

/** Clients from the least to the most recently used: a list through the clients themselves. */
export class ClientOrder {
  #oldest: ClientWindow | undefined
  #newest: ClientWindow | undefined
  #count = 0

  get oldest(): ClientWindow | undefined {
    return this.#oldest
  }

  get count(): number {
    return this.#count
  }

  /** Adds a client that is not in the list, as the most recently used. */
  append(client: ClientWindow): void {
    client.older = this.#newest
    client.newer = undefined
    if (this.#newest === undefined) this.#oldest = client
    else this.#newest.newer = client
    this.#newest = client
    this.#count++
  }

  remove(client: ClientWindow): void {
    if (client.older === undefined) this.#oldest = client.newer
    else client.older.newer = client.newer
    if (client.newer === undefined) this.#newest = client.older
    else client.newer.older = client.older
    this.#count--
  }

  /** Makes a client of the list the most recently used. */
  touch(client: ClientWindow): void {
    if (client === this.#newest) return
    this.remove(client)
    this.append(client)
  }
}

/** Lamport time at which the client of this id began. */
export function creationOf(clientId: Buffer): number {
  return clientId.readUInt32BE(0) * 2 ** 32 + clientId.readUInt32BE(4)
}

/** Whether all 16 bytes are zero: no client. */
export function isNobody(clientId: Buffer): boolean {
  return creationOf(clientId) === 0 && clientId.readInt32LE(8) === 0 && clientId.readInt32LE(12) === 0
}

function nameOf(clientId: Buffer): string {
  return clientId.toString('latin1', 0, 16)
}
