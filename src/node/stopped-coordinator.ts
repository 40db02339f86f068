/** What tools change in the folder of a coordinator that does not run. */
import { openMembershipStore } from '../replication/membership-store.js'

/**
 * The record that the shard's newest epoch begins with was replaced, with all the log, by one with this hash. Rejects with
 * a one-line error where the folder cannot be opened or does not know the shard.
 */
export async function replaceEpochHash(dir: string, ordinal: number, hash: Buffer): Promise<void> {
  const store = await openMembershipStore(dir)
  try {
    const stored = store.read(ordinal)
    if (stored === undefined) throw new Error(`${dir} knows no shard ${ordinal}`)
    const membership = { ...stored.membership, baseEpochHash: hash.toString('hex') }
    await store.write(ordinal, stored.revision, membership)
  } finally {
    await store.close()
  }
}
