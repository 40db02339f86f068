/**
 * Large values beside the logs, such as checkpoints. A blob is written once, under a name that is never reused while
 * it exists, and appears as a whole or not at all.
 */
export interface BlobStore {
  /**
   * Stores a blob. Chunks may have any size; they are taken one by one, as the disk keeps up, and copied before the
   * next is asked for. Resolves when the blob is durable; before that nobody sees it.
   * @throws TypeError when the name is empty, too long or taken; LogError LOG_POISONED
   */
  write(name: string, chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void>

  /**
   * The blob's bytes in order, in chunks of the store's choosing; undefined where there is none.
   * Iterating throws LogError LOG_DAMAGED when they are not what was written.
   */
  read(name: string): AsyncIterable<Buffer> | undefined

  /** The blob for reading anywhere in it; undefined where there is none. */
  open(name: string): BlobView | undefined

  /** Names that begin with `prefix`, in order of their bytes. */
  names(prefix: string): Promise<string[]>

  /** Forgets a blob; one that is not there is fine. Resolves when that is durable. */
  remove(name: string): Promise<void>
}

/** One blob, for reading pieces of it at once, in any order. */
export interface BlobView {
  readonly sizeBytes: number
  /**
   * At least one and at most `sizeBytesMax` bytes from `offset` on, fewer where the store keeps them apart: a view or
   * a copy, not to be written to. Undefined once the blob is removed.
   * @throws RangeError outside the blob; LogError LOG_DAMAGED, LOG_IO
   */
  read(offset: number, sizeBytesMax: number): Buffer | undefined
}

/** A blob's name has at most so many bytes. */
export const BLOB_NAME_SIZE_BYTES_MAX = 512

/** @throws TypeError when `name` cannot be a blob's */
export function checkBlobName(name: string): void {
  const size = Buffer.byteLength(name)
  if (size === 0 || size > BLOB_NAME_SIZE_BYTES_MAX || name.includes('\0')) {
    throw new TypeError(
      `blob name of ${size} bytes: expected 1 to ${BLOB_NAME_SIZE_BYTES_MAX}, none of them zero`,
    )
  }
}
