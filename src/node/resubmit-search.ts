/** Looks for requests in the log itself, for those that the request table can no longer tell from new ones. */
import type { EpochSpan, Log } from '../log/log.js'
import type { LogRecord } from '../log/record-codec.js'

export interface RequestOf {
  readonly clientId: Buffer
  readonly sequence: number
}

/** Of one client: the index of each wanted request's entry, 0 while none was found. */
type Sequences = Map<number, number>

export interface LogSearch {
  /** By `requestName`: index of the request's entry, 0 where the log has none. */
  readonly found: ReadonlyMap<string, number>
  /**
   * Whether a request that was not found is certainly not in the log, where it became an orphan in this epoch. Entries
   * that only the base stands for are not seen here; but as long as they are of that epoch or older, they were in the log
   * of the epoch's head, who would have recognised the request and not appended it again.
   */
  covers(epoch: number): boolean
}

/** Names a request in `LogSearch.found`. */
export function requestName({ clientId, sequence }: RequestOf): string {
  return `${clientId.toString('latin1')}/${sequence}`
}

/** Epoch of the entry at this index, kept or dropped; 0 where there is none. */
export function epochAt(epochs: readonly EpochSpan[], index: number): number {
  return epochs.find(({ startIndex, lastIndex }) => startIndex <= index && index <= lastIndex)?.epoch ?? 0
}

/**
 * Reads the whole log as far as it is kept, about 1 s for 1 GB; nothing where nothing is looked for.
 * @throws LogError LOG_DAMAGED, LOG_IO; LOG_OUT_OF_RETENTION where a new base overtakes the search: begin again
 */
export async function findRequests(log: Log, wanted: readonly RequestOf[]): Promise<LogSearch> {
  if (wanted.length === 0) return { found: new Map(), covers: () => true }
  const { baseIndex } = log
  const clients = new Map<string, Sequences>()
  for (const { clientId, sequence } of wanted) {
    const name = clientId.toString('latin1')
    clients.set(name, (clients.get(name) ?? new Map()).set(sequence, 0))
  }
  for await (const record of log.records(baseIndex + 1, log.lastIndex)) findIn(record, clients)
  const baseEpoch = baseIndex === 0 ? 0 : epochAt(log.epochs, baseIndex)
  const found = new Map(
    wanted.map(request => [
      requestName(request),
      clients.get(request.clientId.toString('latin1'))!.get(request.sequence)!,
    ]),
  )
  return { found, covers: epoch => baseEpoch <= epoch }
}

function findIn(record: LogRecord, clients: ReadonlyMap<string, Sequences>): void {
  const ofClients = Array.from({ length: record.clientCount }, (_, client) =>
    clients.get(record.clientId(client).toString('latin1')),
  )
  if (ofClients.every(sequences => sequences === undefined)) return
  for (let slot = 0; slot < record.count; slot += 1) {
    const sequences = ofClients[record.client(slot)]
    const sequence = record.sequence(slot)
    if (sequences?.has(sequence)) sequences.set(sequence, record.firstIndex + slot)
  }
}
