import { LogError } from './errors.js'

/** A part of a log that is not what was written, and where exactly. */
export interface DamagePlace {
  /** Ordinal of the shard. */
  readonly shard: number
  readonly epoch: number
  /** First index concerned. */
  readonly index: number
  /** Last index concerned; 0 where nothing tells how far it goes. */
  readonly lastIndex: number
  /** Key of the record in the database, hexadecimal; '' where there is none. */
  readonly levelKey: string
  /** What is wrong, in words that go after "index N". */
  readonly what: string
  /** What should be there, and what is, where that can be said in short. */
  readonly expected?: string | undefined
  readonly found?: string | undefined
}

/** Damage that a reader came upon, and went on behind. */
export class LogDamage {
  readonly place: DamagePlace

  constructor(place: DamagePlace) {
    this.place = place
  }

  /** One line for people. `shard` is the shard's name. */
  text(shard = `shard ${this.place.shard}`): string {
    const { index, lastIndex, what, expected, found } = this.place
    const where = lastIndex > index ? `indexes ${index} to ${lastIndex}` : `index ${index}`
    const compared = expected === undefined ? '' : ` (expected ${expected}, found ${found ?? 'nothing'})`
    return `${shard}, ${where}: ${what}${compared}`
  }

  /** The error of a reader that does not go on. */
  toError(shard?: string): LogError {
    const { index } = this.place
    return new LogError('LOG_DAMAGED', this.text(shard), { shard: this.place.shard, index })
  }
}
