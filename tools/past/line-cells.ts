/** What tables of the past show of an entry. */

import type { LogLine } from '../log-line.js'
import { printable } from '../text.js'

/** Characters of a client's id that tell it apart from others: its end is random. */
const CLIENT_ID_SHOWN = 6

/** Where it stands: `shard_0/812`. */
export function placeCell({ shard, index, committed }: LogLine, marksTentative = true): string {
  return `${shard}/${index}${marksTentative && !committed ? ' tentative' : ''}`
}

/** The value that it gave its key; of a DELETE nothing. */
export function valueCell(line: LogLine | undefined): string {
  return line?.operation === 'set' ? printable(line.value) : ''
}

/** Who asked, and the number of the request: `…f2aa77/7`. JSON has the whole id. */
export function requestCell({ clientId, sequence }: LogLine): string {
  return sequence === 0 ? '' : `…${clientId.toString('hex').slice(-CLIENT_ID_SHOWN)}/${sequence}`
}

export function actorCell({ actor }: Pick<LogLine, 'actor'>): string {
  return printable(Buffer.from(actor, 'utf8'))
}
