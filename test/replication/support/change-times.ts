/** The times that decide about members, as the code has them. */
import { OUTAGE_WAIT_MS } from '../../../src/replication/change-due.js'
import { REPLACEMENT_GRACE_MS } from '../../../src/replication/learners.js'
import { DRAIN_MS_MAX, SEAL_BELOW_MIN_MS_MAX } from '../../../src/replication/shard-change.js'
import { LAG_MS_MAX } from '../../../src/replication/shard-control.js'

export const ChangeTimes = {
  /** Of the bench's node table. */
  heartbeatTimeoutMs: 1_000,
  sealBelowMinMs: SEAL_BELOW_MIN_MS_MAX,
  outageWaitMs: OUTAGE_WAIT_MS,
  replacementGraceMs: REPLACEMENT_GRACE_MS,
  lagMs: LAG_MS_MAX,
  drainMs: DRAIN_MS_MAX,
} as const
