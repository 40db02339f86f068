/** Time addresses as options of commands: what cannot be read is bad usage. */
import {
  parseTimeAddress as parseAddress,
  TIME_ADDRESS_FORMS,
  type TimeAddress,
} from '../src/client/time-address.js'
import { badUsage } from './exit-codes.js'

export type { TimeAddress } from '../src/client/time-address.js'

/** Reads a time address. `option` names where it was given; `nowMs` is the wall time that "ago" counts from. */
export function parseTimeAddress(text: string, option: string, nowMs: number): TimeAddress {
  try {
    return parseAddress(text, nowMs)
  } catch {
    throw badUsage(`${option}: "${text}" given, allowed is ${TIME_ADDRESS_FORMS}`)
  }
}
