/** The little of Redis's protocol (RESP2) that the benchmark needs: commands out, their replies in. */

/** A reply: bytes, a whole number, nothing, or an error's text. */
export type Reply = Buffer | number | undefined | Error

const CR_LF = '\r\n'

/** A command as an array of bulk strings. */
export function encodeCommand(parts: readonly (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}${CR_LF}`)]
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    pieces.push(Buffer.from(`$${bytes.length}${CR_LF}`), bytes, Buffer.from(CR_LF))
  }
  return Buffer.concat(pieces)
}

/** Takes bytes as they come and gives the replies that are whole, in order. Arrays are not understood. */
export class ReplyReader {
  #rest: Buffer = Buffer.alloc(0)

  /** Calls `take` for each reply that these bytes complete. Throws on what is no reply. */
  read(bytes: Buffer, take: (reply: Reply) => void): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    while (at < all.length) {
      const lineEnd = all.indexOf(CR_LF, at, 'latin1')
      if (lineEnd === -1) break
      const kind = all[at]
      let next = lineEnd + 2
      if (kind === 0x24) {
        const length = Number(all.toString('latin1', at + 1, lineEnd))
        if (length >= 0) {
          const start = next
          next += length + 2
          if (next > all.length) break
          take(Buffer.from(all.subarray(start, start + length)))
        } else {
          take(undefined)
        }
      } else {
        take(simpleReply(kind, all.subarray(at + 1, lineEnd)))
      }
      at = next
    }
    this.#rest = at === all.length ? Buffer.alloc(0) : Buffer.from(all.subarray(at))
  }
}

function simpleReply(kind: number | undefined, line: Buffer): Reply {
  if (kind === 0x2b) return Buffer.from(line)
  if (kind === 0x3a) return Number(line.toString('latin1'))
  if (kind === 0x2d) return new Error(line.toString('utf8'))
  throw new Error(`not a reply: ${String.fromCharCode(kind ?? 0)}${line.toString('latin1').slice(0, 40)}`)
}
