/** The faults that the simulator makes happen by itself; what the weather does (loss, slow disks) comes on top. */
export const FAULTS = [
  'crash a node',
  'crash several nodes',
  'crash the head',
  'stop a node for long',
  'pause a node',
  'pause the head',
  'isolate a node',
  'isolate the head',
  'cut one way',
  'split',
  'crash the coordinator',
  'pause the coordinator',
  'isolate the coordinator',
  'second coordinator',
  'storm',
  'fill a disk',
  'fill several disks',
  'fail a sync',
  'flip a bit',
  'wipe a disk',
  'jump a clock',
  'restart at once',
  'end a node in order',
  'crash a client',
  'pause a client',
  'a node leaves',
  'a node joins',
  'trim a log',
] as const

export type FaultName = (typeof FAULTS)[number]

/**
 * Mixes that go for one part of the protocol: half of the seeds have one of them, the other half a mix of everything. A
 * seed of a theme has these faults and, now and then, one more.
 */
export const THEMES = {
  coordinators: ['second coordinator', 'crash the coordinator', 'pause the coordinator', 'crash a node'],
  restarts: ['restart at once', 'crash a node', 'crash the head', 'crash several nodes', 'fail a sync'],
  partitions: ['isolate a node', 'isolate the head', 'cut one way', 'split', 'pause the head'],
  disks: ['wipe a disk', 'flip a bit', 'fill a disk', 'fill several disks', 'fail a sync'],
  replacement: [
    'stop a node for long',
    'wipe a disk',
    'trim a log',
    'end a node in order',
    'a node leaves',
    'a node joins',
    'crash a node',
  ],
  readers: ['isolate the head', 'pause the head', 'cut one way', 'jump a clock'],
} as const satisfies Record<string, readonly FaultName[]>

export type ThemeName = keyof typeof THEMES
