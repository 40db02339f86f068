/** Runs made by hand, with what the test gives and nothing else. */
import type { ReplicaSample, SampleEvent } from '../../../tools/experiment/record/events.js'
import type {
  RecordedEntry,
  RecordedOperation,
  RecordedRun,
} from '../../../tools/experiment/record/recorded-run.js'

/** One shard `s` of `a` (its head) and `b`, under load from 0 to 1,000 ms. */
export function smallRun(given: Partial<RecordedRun> = {}): RecordedRun {
  return {
    name: 'small',
    about: {
      type: 'run',
      run: 'small',
      atMs: 0,
      zeroWallMs: 0,
      zeroMonotonicMs: 0,
      topology: 'chain',
      consistency: 'weak',
      coordinator: 'h:1',
      shards: { s: ['a', 'b'] },
    },
    operations: [],
    preload: [],
    samples: [],
    memberships: [],
    faults: [],
    loads: [
      { type: 'load', run: 'small', atMs: 0, state: 'begun', clients: 2 },
      { type: 'load', run: 'small', atMs: 1_000, state: 'ended', clients: 0 },
    ],
    processes: [],
    quiet: undefined,
    log: [],
    orphans: [],
    ...given,
  }
}

export function entry(
  index: number,
  key: string,
  stampedMs: number,
  given: Partial<RecordedEntry> = {},
): RecordedEntry {
  return {
    shard: 's',
    epoch: 1,
    index,
    type: 'set',
    key,
    value: `v${index}`,
    lamport: index,
    stampedMs,
    ...given,
  }
}

/** What one node said of its replica of `s`. */
export function sample(
  node: string,
  atMs: number,
  lastIndex: number,
  given: Partial<SampleEvent> = {},
): SampleEvent {
  const replica: ReplicaSample = {
    shard: 's',
    role: node === 'a' ? 'head' : 'tail',
    epoch: 1,
    lastIndex,
    durableIndex: lastIndex,
    commitIndex: lastIndex,
    lamport: lastIndex,
  }
  return {
    type: 'sample',
    run: 'small',
    atMs,
    node,
    cpuMs: atMs / 2,
    rssBytes: 1e6,
    replicas: [replica],
    ...given,
  }
}

export function operation(given: Partial<RecordedOperation>): RecordedOperation {
  const { invokedMs = 0 } = given
  return {
    client: 'c',
    id: 0,
    type: 'set',
    key: 'k',
    value: 'v',
    consistency: 'weak',
    intendedMs: invokedMs,
    invokedMs,
    returnedMs: invokedMs + 1,
    outcome: 'ok',
    position: { shard: 's', epoch: 1, index: 1, lamport: 1, committed: true },
    node: null,
    error: null,
    ...given,
  }
}

export function at(index: number) {
  return { shard: 's', epoch: 1, index, lamport: index, committed: true }
}
