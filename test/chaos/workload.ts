/** What the clients of a chaos run do: which operation on which key, in which mode, and how patiently. */
import type { HistoryOperation } from '../../tools/history/history-event.js'
import type { Random } from '../../tools/random.js'

/** What a client process is told, on its command line. */
export interface ClientOrders {
  readonly name: string
  readonly seed: number
  readonly endpoints: readonly string[]
  readonly workers: number
  readonly historyFile: string
}

export interface Planned {
  readonly type: HistoryOperation['type']
  readonly key: string
  readonly consistency: HistoryOperation['consistency']
  readonly timeoutMs: number
  /** Before the next operation. */
  readonly pauseMs: number
}

/**
 * Few keys, so that operations meet. Strong and weak writes of different clients on one key are what a failover
 * finds hardest to keep apart; keys of one mode alone show more clearly what is wrong.
 */
const KEYS = {
  strong: ['strong-0', 'strong-1', 'strong-2'],
  mixed: ['mixed-0', 'mixed-1', 'mixed-2'],
  weak: ['weak-0', 'weak-1'],
} as const

export const ALL_KEYS: readonly string[] = Object.values(KEYS).flat()

/** Keeps a long run's history within memory: some hundred operations a second in all. */
const PAUSE_MS_MAX = 30

/** Some give up early, so that there are writes whose outcome nobody knows. */
const TIMEOUTS_MS = [1_000, 3_000, 10_000] as const

/** `isWeakOnly`: strong requests wait while a head is cut off; somebody must go on, so that something can be lost. */
export function planOperation(random: Random, isWeakOnly: boolean): Planned {
  const families = isWeakOnly
    ? (['mixed', 'weak'] as const)
    : (['strong', 'strong', 'mixed', 'mixed', 'weak'] as const)
  const family = random.pick(families)
  const type = random.pick(['set', 'set', 'set', 'set', 'get', 'get', 'get', 'get', 'delete'] as const)
  const strong = isWeakOnly ? [] : (['strong'] as const)
  const modes: Record<typeof family, readonly HistoryOperation['consistency'][]> = {
    strong: ['strong'],
    mixed: type === 'get' ? ['weak', 'session', ...strong] : ['weak', ...strong],
    weak: type === 'get' ? ['weak', 'session'] : ['weak'],
  }
  return {
    type,
    key: random.pick(KEYS[family]),
    consistency: random.pick(modes[family]),
    timeoutMs: random.pick(TIMEOUTS_MS),
    pauseMs: random.between(0, PAUSE_MS_MAX),
  }
}
