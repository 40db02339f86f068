/**
 * Which requests are in the log, and where: what makes a retry exactly-once across failover. Filled from the entries'
 * (client id, sequence), so replicas with equal logs have equal tables, whenever commits and truncations reach them:
 * everything that forgets (windows, totals, eviction) follows the committed entries in their order alone.
 *
 * Client ids begin with the Lamport time at which the client began. Evicting a client raises the floor to that time,
 * and an id that is unknown and not above the floor is expired, never silently new.
 */
import { ClientDirectory, ClientOrder, creationOf, isNobody } from './client-directory.js'
import type { ClientWindow } from './client-window.js'
import type { CommittedClient, CommittedRequests } from './committed-requests.js'
import { UndoRing } from './undo-ring.js'

/** Bounds of the table. All replicas of a cluster must have the same. */
export interface RequestTableLimits {
  /** A client's request is forgotten when it made so many more. A power of two. Default 65,536. */
  readonly windowMax: number
  /** Above so many clients the one whose last committed entry is oldest is evicted. Default 10,000. */
  readonly clientsMax: number
  /** Above so many requests the client that holds most forgets the older half of its window. Default 2^21 (64 MiB). */
  readonly requestsMax: number
}

const LIMITS: RequestTableLimits = { windowMax: 65_536, clientsMax: 10_000, requestsMax: 2_097_152 }

/** What `lookup` says of a request that can no longer be told from a new one. */
export const EXPIRED = -1

/** Fields of an undo row. */
const CLIENT = 0
const SEQUENCE = 1
const INDEX = 2
const BEFORE_SEQUENCE = 3
const BEFORE_INDEX = 4
const BEFORE_NEWEST = 5

/** In place of a sequence before: the ring had no room for this request, so far behind it is. */
const NOT_PLACED = -1

export class RequestTable {
  readonly #limits: RequestTableLimits
  readonly #clients = new ClientDirectory()
  /** Clients with a committed entry, by last use. */
  readonly #admitted = new ClientOrder()
  readonly #undo = new UndoRing(6)
  #remembered = 0
  #committedIndex = 0
  #floor = 0

  constructor(limits: Partial<RequestTableLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits }
  }

  /** Creation time of the youngest client evicted so far; unknown ids at or below it are expired. */
  get floor(): number {
    return this.#floor
  }

  /** Clients with a committed entry. */
  get clientCount(): number {
    return this.#admitted.count
  }

  /** Committed requests that the table holds. */
  get requestCount(): number {
    return this.#remembered
  }

  /**
   * Index of the entry that is this request's result; 0 if the request is new; EXPIRED (-1) if that can no longer
   * be told. `clientId` has 16 bytes; all zero means nobody. Nobody's requests, and those with sequence 0, are always new.
   */
  lookup(clientId: Buffer, sequence: number): number {
    if (sequence === 0) return 0
    const client = this.#clients.find(clientId)
    if (client === undefined) {
      const creation = creationOf(clientId)
      return creation > this.#floor || isNobody(clientId) ? 0 : EXPIRED
    }
    const isUnknown = !client.admitted && client.creation <= this.#floor
    if (sequence > client.newest) return isUnknown ? EXPIRED : 0
    const index = client.indexOf(sequence)
    if (sequence <= client.expiredThrough(client.newest, this.#limits.windowMax)) return EXPIRED
    return index === 0 && isUnknown ? EXPIRED : index
  }

  /** Notes, tentatively, that the entry at `index` is the result of this request. Indexes must rise. */
  record(clientId: Buffer, sequence: number, index: number): void {
    if (sequence === 0) return
    const client = this.#clients.findOrAdd(clientId)
    if (client !== undefined) this.#note(client, sequence, index)
  }

  /** Settles the requests of all entries up to `index`. */
  commit(index: number): void {
    const undo = this.#undo
    while (undo.length > 0) {
      const at = undo.first
      const rows = undo.rows
      if (rows[at + INDEX]! > index) break
      this.#committedIndex = rows[at + INDEX]!
      const client = this.#clients.numbered(rows[at + CLIENT]!)
      const sequence = rows[at + SEQUENCE]!
      const beforeSequence = rows[at + BEFORE_SEQUENCE]!
      const replaces = client.holds(beforeSequence, rows[at + BEFORE_INDEX]!)
      // Dropped first: what forgets looks at the rows of requests that are still tentative.
      undo.dropFirst()
      const remembered = this.#settle(client, sequence, replaces)
      if (remembered && beforeSequence === NOT_PLACED) {
        client.place(sequence, this.#committedIndex, this.#limits.windowMax)
      }
    }
    this.#committedIndex = index
    undo.settle()
  }

  /** Undoes the requests of all entries above `index` that are not committed. */
  truncate(index: number): void {
    const undo = this.#undo
    while (undo.length > 0) {
      const at = undo.last
      const rows = undo.rows
      if (rows[at + INDEX]! <= index) break
      const client = this.#clients.numbered(rows[at + CLIENT]!)
      client.putBack(rows[at + SEQUENCE]!, rows[at + BEFORE_SEQUENCE]!, rows[at + BEFORE_INDEX]!)
      client.newest = rows[at + BEFORE_NEWEST]!
      client.tentative--
      undo.dropLast()
      if (client.tentative > 0) continue
      if (client.admitted) client.newest = client.committedNewest
      else this.#clients.remove(client)
    }
    undo.settle()
  }

  /** The committed table as it is now. Clients copy their rings when they next change. */
  capture(): CommittedRequests {
    const commitIndex = this.#committedIndex
    const covered = new Map<ClientWindow, number[]>()
    this.#eachCovered((client, sequence, index) => {
      const pairs = covered.get(client)
      if (pairs === undefined) covered.set(client, [sequence, index])
      else pairs.push(sequence, index)
    })
    const clients: CommittedClient[] = []
    for (let client = this.#admitted.oldest; client !== undefined; client = client.newer) {
      clients.push({
        name: client.name,
        forgotten: client.forgotten,
        newest: client.committedNewest,
        pairs: client.share(),
        covered: covered.get(client) ?? [],
      })
    }
    return { floor: this.#floor, commitIndex, clients }
  }

  /** Puts a captured table into an empty one: loading a checkpoint. Only remembered pairs, please. */
  restore(table: CommittedRequests): void {
    this.#floor = table.floor
    this.#committedIndex = table.commitIndex
    for (const { name, forgotten, newest, pairs } of table.clients) {
      const client = this.#clients.findOrAdd(Buffer.from(name, 'latin1'))
      if (client === undefined) continue
      client.forgotten = forgotten
      client.newest = newest
      client.committedNewest = newest
      client.admitted = true
      this.#admitted.append(client)
      for (let i = 0; i < pairs.length; i += 2) {
        const at = client.makeRoom(pairs[i]!, this.#limits.windowMax)
        client.pairs[at] = pairs[i]!
        client.pairs[at + 1] = pairs[i + 1]!
      }
      client.remembered = pairs.length / 2
      this.#remembered += client.remembered
    }
  }

  #note(client: ClientWindow, sequence: number, index: number): void {
    const slot = client.makeRoom(sequence, this.#limits.windowMax)
    const pairs = client.pairs
    const beforeSequence = pairs[slot]!
    // A sequence that far behind is expired already: it must not push out the one that counts.
    const isBehind = beforeSequence > sequence
    const at = this.#undo.push()
    const rows = this.#undo.rows
    rows[at + CLIENT] = client.number
    rows[at + SEQUENCE] = sequence
    rows[at + INDEX] = index
    rows[at + BEFORE_SEQUENCE] = isBehind ? NOT_PLACED : beforeSequence
    rows[at + BEFORE_INDEX] = isBehind ? 0 : pairs[slot + 1]!
    rows[at + BEFORE_NEWEST] = client.newest
    client.tentative++
    if (sequence > client.newest) client.newest = sequence
    if (isBehind) return
    pairs[slot] = sequence
    pairs[slot + 1] = index
  }

  /** False for a request that was expired when it came. `replaces`: it has the slot of one that still counted. */
  #settle(client: ClientWindow, sequence: number, replaces: boolean): boolean {
    client.tentative--
    if (!client.admitted) this.#admit(client, sequence)
    else this.#admitted.touch(client)
    const isExpired = sequence <= client.expiredThrough(client.committedNewest, this.#limits.windowMax)
    if (isExpired) {
      client.putBack(sequence, 0, 0)
    } else {
      if (sequence > client.committedNewest) client.committedNewest = sequence
      if (!replaces) this.#countOne(client)
    }
    if (client.tentative === 0) client.newest = client.committedNewest
    return !isExpired
  }

  #countOne(client: ClientWindow): void {
    client.remembered++
    this.#remembered++
    if (this.#remembered > this.#limits.requestsMax) this.#forgetSome()
  }

  #admit(client: ClientWindow, sequence: number): void {
    // An id that came back after its eviction: what it asked for before is no longer known.
    client.forgotten = client.creation <= this.#floor ? sequence - 1 : 0
    client.committedNewest = 0
    client.admitted = true
    this.#admitted.append(client)
    if (this.#admitted.count > this.#limits.clientsMax) this.#evict(this.#admitted.oldest!)
  }

  #evict(client: ClientWindow): void {
    if (client.creation > this.#floor) this.#floor = client.creation
    this.#admitted.remove(client)
    this.#remembered -= client.remembered
    client.admitted = false
    if (client.tentative === 0) {
      this.#clients.remove(client)
      return
    }
    client.since = this.#committedIndex + 1
    client.forget(client.committedNewest, this.#committedIndex)
    client.remembered = 0
    client.committedNewest = 0
  }

  #forgetSome(): void {
    while (this.#remembered > this.#limits.requestsMax) {
      let most = this.#admitted.oldest!
      for (let client = most.newer; client !== undefined; client = client.newer) {
        if (client.remembered > most.remembered) most = client
      }
      const through = most.expiredThrough(most.committedNewest, this.#limits.windowMax)
      const kept = Math.floor((most.committedNewest - through) / 2)
      this.#remembered -= most.remembered
      most.forget(most.committedNewest - kept, this.#committedIndex)
      this.#eachCovered(client => {
        if (client === most) client.remembered++
      })
      this.#remembered += most.remembered
    }
  }

  /** Committed requests whose slots tentative ones have taken, one window later. */
  #eachCovered(visit: (client: ClientWindow, sequence: number, index: number) => void): void {
    const { rows, length } = this.#undo
    for (let number = 0; number < length; number++) {
      const at = this.#undo.row(number)
      const index = rows[at + BEFORE_INDEX]!
      if (index === 0 || index > this.#committedIndex) continue
      const client = this.#clients.numbered(rows[at + CLIENT]!)
      const sequence = rows[at + BEFORE_SEQUENCE]!
      if (client.holds(sequence, index)) visit(client, sequence, index)
    }
  }
}
