/**
 * What a replica's driver needs for bases: the one that its log is kept from, to send, and a place for one that comes in.
 * The state machine decides, the keeper does; what takes time is reported to the listener.
 */
import type { BaseName } from '../log/log-base.js'
import type { BaseContent } from './base-sender.js'

export interface BaseKeeper {
  /** The base that the log is kept from; undefined where it is kept from its beginning. */
  content(): BaseContent | undefined
  /** A base comes in; one that was coming in before, or waits to be installed, is given up. */
  begin(base: BaseName): void
  write(bytes: Buffer): void
  /** All its bytes were written: it is checked, then `onPrepared` or `onDamaged` is called. */
  finish(): void
  /** Puts the prepared base in place of the log and its projection, in this turn. @throws LogError */
  install(committedIndex: number): void
  listen(listener: BaseListener): void
}

export interface BaseListener {
  /** So many more bytes are out of memory. */
  onWritten(sizeBytes: number): void
  /** The base is whole and durable, and can be installed. */
  onPrepared(base: BaseName): void
  /** It is not what was sent, and is gone. */
  onDamaged(): void
}
