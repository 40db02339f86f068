/**
 * The keys of the database. Every key is written once. Numbers are big-endian, so that keys sort as numbers do.
 *
 *     'r' shard:u16 epoch:u48 firstIndex:u48     a record
 *     'm' name 0 version:u48                     a fact; the highest version counts
 *     'b' id:u48 number:u32                      a chunk of a blob
 *     'n' name 0 id:u48                          the blob's name, once all its chunks are there
 */

export const RECORD = 0x72
export const META = 0x6d
export const BLOB_CHUNK = 0x62
export const BLOB_NAME = 0x6e

const U48_MAX = 2 ** 48 - 1

export function recordKey(shard: number, epoch: number, firstIndex: number): Buffer {
  const key = Buffer.allocUnsafe(15)
  key[0] = RECORD
  key.writeUInt16BE(shard, 1)
  key.writeUIntBE(epoch, 3, 6)
  key.writeUIntBE(firstIndex, 9, 6)
  return key
}

/** Above every record of this shard and epoch. */
export function epochEndKey(shard: number, epoch: number): Buffer {
  return recordKey(shard, epoch, U48_MAX)
}

export function shardOfKey(key: Buffer): number {
  return key.readUInt16BE(1)
}

export function epochOfKey(key: Buffer): number {
  return key.readUIntBE(3, 6)
}

export function firstIndexOfKey(key: Buffer): number {
  return key.readUIntBE(9, 6)
}

/** `kind` is META or BLOB_NAME; `version` makes the key new each time. */
export function namedKey(kind: number, name: string, version: number): Buffer {
  const length = Buffer.byteLength(name)
  const key = Buffer.allocUnsafe(length + 8)
  key[0] = kind
  key.write(name, 1, 'utf8')
  key[length + 1] = 0
  key.writeUIntBE(version, length + 2, 6)
  return key
}

export function nameOfKey(key: Buffer): string {
  return key.toString('utf8', 1, key.length - 7)
}

export function versionOfKey(key: Buffer): number {
  return key.readUIntBE(key.length - 6, 6)
}

export function chunkKey(id: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(11)
  key[0] = BLOB_CHUNK
  key.writeUIntBE(id, 1, 6)
  key.writeUInt32BE(number, 7)
  return key
}

export function idOfChunkKey(key: Buffer): number {
  return key.readUIntBE(1, 6)
}

/** From the first possible key of a kind to just above the last. */
export function rangeOf(kind: number): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.of(kind), lt: Buffer.of(kind + 1) }
}
