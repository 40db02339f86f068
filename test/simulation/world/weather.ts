/** How badly the network and the disks behave at the moment. Each seed has its own mix; healing makes all of it fair. */
export interface Weather {
  /** One way, ms: at least, and by chance so much more. */
  latencyMs: number
  jitterMs: number
  /** Probabilities, for each message between two nodes. */
  loss: number
  duplicate: number
  /** It may arrive before messages that were sent earlier. */
  overtake: number
  /** It takes up to 400 ms. */
  straggle: number
  /** The sender's queue is full: the transport does not take it. */
  refuse: number
  /** Probabilities, for each message of a client's stream: the stream breaks. */
  reset: number
  /** Time of a sync, ms. */
  syncMs: number
  /** Probability that a sync takes up to `slowSyncMs`. */
  slowSync: number
  slowSyncMs: number
  /** Probability that a sync fails, and the process with it. */
  failSync: number
}

export const FAIR: Readonly<Weather> = {
  latencyMs: 0.1,
  jitterMs: 0.4,
  loss: 0,
  duplicate: 0,
  overtake: 0,
  straggle: 0,
  refuse: 0,
  reset: 0,
  syncMs: 0.5,
  slowSync: 0,
  slowSyncMs: 0,
  failSync: 0,
}
