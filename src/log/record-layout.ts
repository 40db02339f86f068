/**
 * The record format, version 1, as numbers: where each field of the encoded bytes lies. docs/log-format.md is the
 * same in words; `test/fixtures/log-format-v1` holds bytes that every later version must still read.
 * All numbers are little-endian. Whole numbers that may pass 2^32 are stored as doubles, exact to 2^53.
 */

export const FORMAT_VERSION = 1

/** "VRVR" read as a little-endian u32. */
export const MAGIC = 0x52565256

/** Fixed part at the start of a record. */
export const HeaderAt = {
  /** CRC-32 (IEEE) of everything behind it. The only bytes that the hash leaves out. */
  crc: 0,
  magic: 4,
  version: 8,
  reserved: 9,
  shard: 10,
  sizeBytes: 12,
  logId: 16,
  epoch: 32,
  firstIndex: 40,
  lamport: 48,
  wallMs: 56,
  commitIndex: 64,
  previousHash: 72,
  count: 104,
  clientCount: 106,
  /** Where the client table begins, which is where the entries end. */
  clients: 108,
  /** Where the offset tables begin: of the entries, then of the clients. */
  offsets: 112,
  reserved2: 116,
} as const

export const HEADER_SIZE_BYTES = 120

/** What the CRC and the hash cover begins here. */
export const COVERED_FROM = HeaderAt.magic

/** Fixed part of each entry; key and value follow at once. */
export const EntryAt = {
  operation: 0,
  flags: 1,
  keyLength: 2,
  valueLength: 4,
  client: 8,
  reserved: 10,
  previous: 12,
  sequence: 20,
  key: 28,
} as const

/** Each client of the client table: its id, the actor's length, the actor in UTF-8. */
export const ClientAt = { id: 0, actorLength: 16, actor: 18 } as const

export const CLIENT_ID_SIZE_BYTES = 16
export const HASH_SIZE_BYTES = 32
export const OFFSET_SIZE_BYTES = 4

/** What comes before the first record: its previous hash. Never written to. */
export const ZERO_HASH: Buffer = Buffer.alloc(HASH_SIZE_BYTES)

/** No client: of entries that nobody asked for. Never written to. */
export const ZERO_CLIENT_ID: Buffer = Buffer.alloc(CLIENT_ID_SIZE_BYTES)

/** An index is at most this: index and slot share one double. */
export const INDEX_MAX = 2 ** 40 - 1

/** Epochs are 48 bits of a level key. */
export const EPOCH_MAX = 2 ** 48 - 1
