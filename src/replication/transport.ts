/**
 * How one process reaches another. Messages to one address arrive in the order sent or not at all; a lost
 * link is told to its sender by `onLinkDown`, which must then assume the worst of what was in flight.
 */
import type { Envelope } from '../generated/varve/v1/replication.js'

export interface Transport {
  /**
   * Queues one message. False where it was dropped: the queue to that address is full (`queuedBytesMax`) or the
   * transport is closed. Never throws and never blocks.
   */
  send(to: string, envelope: Envelope): boolean
  /** One listener for all that arrives. */
  onMessage(listener: (envelope: Envelope) => void): void
  /** The link from here to `address` broke, or could not be opened; messages queued for it are gone. */
  onLinkDown(listener: (address: string) => void): void
  close(): Promise<void>
}
