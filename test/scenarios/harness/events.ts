/** What a process of the harness does that can be seen from outside; scripts print it, checkers judge it. */
import type { LogRecord } from '../../../src/log/record-codec.js'
import { describeRecord } from './describe.js'

/** A write as its client knows it. */
export interface Write {
  /** `x=1 y=2` */
  readonly label: string
  readonly level: 'strong' | 'weak'
  readonly record: LogRecord
}

export type Event = { readonly node: string } & (
  | { readonly type: 'changed'; readonly standing: string }
  | { readonly type: 'appended'; readonly record: LogRecord }
  | { readonly type: 'cut'; readonly index: number }
  | { readonly type: 'committed'; readonly index: number }
  | { readonly type: 'acknowledged'; readonly write: Write }
  /** The epoch ended first: nobody was told what became of it. */
  | { readonly type: 'unknown'; readonly write: Write }
  | { readonly type: 'readReady'; readonly ticket: number; readonly index: number }
  | { readonly type: 'readRefused'; readonly ticket: number; readonly reason: string }
  /** The process ended itself. */
  | { readonly type: 'alarm'; readonly message: string }
)

export function describeEvent(event: Event): string {
  const { node } = event
  switch (event.type) {
    case 'changed':
      return `${node}: ${event.standing}`
    case 'appended':
      return `${node}: appends ${describeRecord(event.record)}`
    case 'cut':
      return `${node}: cuts its log to ${event.index}`
    case 'committed':
      return `${node}: commits ${event.index}`
    case 'acknowledged':
      return `${node}: acknowledges ${event.write.label} (${event.write.level})`
    case 'unknown':
      return `${node}: does not know what becomes of ${event.write.label}`
    case 'readReady':
      return `${node}: read ${event.ticket} sees all up to ${event.index}`
    case 'readRefused':
      return `${node}: read ${event.ticket} refused: ${event.reason}`
    case 'alarm':
      return `${node}: ALARM ${event.message}`
  }
}
