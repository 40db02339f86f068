/**
 * Ways to break the code, each of which the simulator must find. A mutant changes the compiled JavaScript of a copy of the
 * build: production code has no switches. Every `find` must occur exactly once in its file, so that a mutant whose
 * code has moved on is noticed.
 */
import type { ThemeName } from '../faults/names.js'

export interface Mutant {
  readonly name: string
  /** The rule of docs/protocol.md that it breaks. */
  readonly rule: string
  /** What the seeds that hunt it go for; without one: everything. */
  readonly theme?: ThemeName
  readonly edits: readonly Edit[]
}

export interface Edit {
  /** From the root of the build. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'skip the seal',
    rule: 'I2: adopting an epoch ends the one before',
    theme: 'coordinators',
    edits: [
      {
        file: 'src/replication/replica.js',
        find: `        this.#state.isActive = false;
        this.#part = undefined;
        this.#pending = undefined;
        this.#leading = undefined;
        this.#following = undefined;
        this.#sealAsked = false;
        this.#downstreams.leave();`,
        replace: `        this.#pending = undefined;
        this.#sealAsked = false;`,
      },
      {
        file: 'src/replication/replica.js',
        find: `        if (this.#part !== undefined)
            return;
        this.#sealAsked = true;`,
        replace: '        this.#sealAsked = true;',
      },
    ],
  },
  {
    name: 'acknowledge before fsync',
    rule: 'I3: a report counts what is durable',
    theme: 'restarts',
    edits: [
      {
        file: 'src/replication/following.js',
        find: 'const lowest = downstreams.lowestReport(log.durableIndex);',
        replace: 'const lowest = downstreams.lowestReport(log.lastIndex);',
      },
    ],
  },
  {
    name: 'report before matching',
    rule: 'I3: nothing is reported before the logs have matched',
    theme: 'restarts',
    edits: [
      {
        file: 'src/replication/following.js',
        find: `    #report(repeat, receivedIndex = this.#context.log.lastIndex) {
        if (!this.isMatched)
            return;`,
        replace: '    #report(repeat, receivedIndex = this.#context.log.lastIndex) {',
      },
      {
        file: 'src/replication/following.js',
        find: `    begin() {
        this.#ask();`,
        replace: `    begin() {
        this.#report(true);
        this.#ask();`,
      },
    ],
  },
  {
    name: 'commit while PROPOSED',
    rule: 'I4: commit moves only in office',
    theme: 'restarts',
    edits: [
      {
        file: 'src/replication/leading.js',
        find: `        if (this.#context.isActive)
            this.#advanceCommit();`,
        replace: `        this.#advanceCommit();
        if (this.#context.isActive)
            this.#advanceCommit();`,
      },
    ],
  },
  {
    name: 'serve before EPOCH is committed',
    rule: 'I6: before that the head serves nothing',
    theme: 'readers',
    edits: [
      {
        file: 'src/replication/replica.js',
        find: `        if (!this.isActive)
            return \`epoch \${this.epoch} is not active yet\`;`,
        replace: '',
      },
      {
        file: 'src/replication/leading.js',
        find: 'if (this.#context.commitIndex < this.#epochIndex)',
        replace: 'if (false)',
      },
    ],
  },
  {
    name: 'compare and set on the epoch alone',
    rule: 'I1: compare-and-set covers the whole stored value',
    theme: 'coordinators',
    edits: [
      {
        file: 'test/simulation/world/membership-disk.js',
        find: 'if ((before?.revision ?? 0) !== expectedRevision)',
        replace: 'if ((before?.membership.current?.epoch ?? 0) > (membership.current?.epoch ?? 0))',
      },
    ],
  },
  {
    name: 'reuse a nonce',
    rule: 'R2: a retry takes a fresh nonce',
    theme: 'readers',
    edits: [
      {
        file: 'src/replication/barrier.js',
        find: `        this.#nonce += 1;
        this.#running`,
        replace: `        if (this.#unanswered === undefined)
            this.#nonce += 1;
        this.#running`,
      },
    ],
  },
  {
    name: 'ignore incarnations',
    rule: 'I2: only the incarnations that the configuration names count',
    theme: 'restarts',
    edits: [
      {
        file: 'src/replication/configuration.js',
        find: 'return memberAt(configuration, address)?.incarnation === incarnation;',
        replace: 'return memberAt(configuration, address) !== undefined;',
      },
      {
        file: 'src/replication/downstreams.js',
        find: 'return child?.incarnation === incarnation ? child : undefined;',
        replace: 'return child;',
      },
    ],
  },
  {
    name: 'count a learner',
    rule: 'I3: who is no member is not counted',
    theme: 'replacement',
    edits: [
      {
        file: 'src/replication/downstreams.js',
        find: `        let lowest = own;
        for (const child of this.#children.values()) {`,
        replace: `        let lowest = own;
        const reports = [...this.#children.values(), ...this.#observers.values()]
            .filter(({ reportedIndex }) => reportedIndex !== undefined)
            .sort((one, other) => other.reportedIndex - one.reportedIndex);
        if (reports.length >= this.#children.size)
            return Math.min(own, ...reports.slice(0, this.#children.size).map(({ reportedIndex }) => reportedIndex));
        for (const child of this.#children.values()) {`,
      },
    ],
  },
  {
    name: 'truncate by commit index',
    rule: 'Following: a log is cut where it parts from its upstream, no earlier',
    theme: 'restarts',
    edits: [
      {
        file: 'src/replication/following.js',
        find: `        if (index === log.lastIndex)
            return this.#match();
        this.#state = 'cutting';
        emit({ type: 'cut', index });`,
        replace: `        if (commitIndex === log.lastIndex)
            return this.#match();
        this.#state = 'cutting';
        emit({ type: 'cut', index: commitIndex });`,
      },
    ],
  },
  {
    name: 'acknowledge weak writes before fsync',
    rule: 'Normal work, 3: a weak acknowledgement waits for the disk of the head',
    theme: 'restarts',
    edits: [
      {
        file: 'src/node/write-answers.js',
        find: 'this.onDurable(this.#options.log.durableIndex);',
        replace: 'this.onDurable(this.#options.log.lastIndex);',
      },
    ],
  },
  {
    name: 'answer strong reads without a barrier',
    rule: 'R1: all members of the epoch answer first',
    theme: 'readers',
    edits: [
      {
        file: 'src/replication/strong-reads.js',
        find: 'const nonce = this.#barrier.begin(commitIndex, children);',
        replace: 'const nonce = this.#barrier.begin(commitIndex, []);',
      },
    ],
  },
  {
    name: 'ignore the session token',
    rule: 'Requests, sessions: a replica behind the token does not answer',
    theme: 'readers',
    edits: [
      {
        file: 'src/node/read-path.js',
        find: 'if (reader.consistency === FrameConsistency.SESSION) {',
        replace: 'if (false) {',
      },
    ],
  },
  {
    name: 'forget requests',
    rule: 'Requests: an exact repeat is answered with the result of the original',
    theme: 'restarts',
    edits: [
      {
        file: 'src/projection/shard-projection.js',
        find: 'return this.#requests.lookup(clientId, sequence);',
        replace: 'return 0;',
      },
    ],
  },
  {
    name: 'keep what was cut',
    rule: 'Normal work, 4: what is cut is undone in the projections',
    theme: 'partitions',
    edits: [
      {
        file: 'src/projection/shard-projection.js',
        find: 'this.#keys.truncate(index);',
        replace: '',
      },
    ],
  },
  {
    name: 'answer without closing',
    rule: 'Time: a moment is answered when a committed entry lies beyond it',
    edits: [
      {
        file: 'src/node/closing.js',
        find: 'if (isClosedAt(log, driver.replica.commitIndex, moment))',
        replace: 'if (true)',
      },
    ],
  },
]
