/** The little of Protocol Buffers' encoding that talking to etcd needs. */

/** One field of a message: bytes, or a number that may exceed what a double holds. */
export interface Field {
  readonly number: number
  readonly bytes: Buffer | undefined
  readonly varint: bigint
}

/** A field that holds bytes. */
export function bytesField(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])
}

/** A field that holds a whole number below 2^31, or a truth value as 0 or 1. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)])
}

/** The fields of a message, in order. Those of fixed length are left out. Throws `RangeError` on what is none. */
export function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0
  const readVarint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const tag = Number(readVarint())
    const number = tag >>> 3
    const type = tag & 7
    if (type === 0) yield { number, bytes: undefined, varint: readVarint() }
    else if (type === 1) at += 8
    else if (type === 5) at += 4
    else if (type === 2) {
      const length = Number(readVarint())
      if (at + length > message.length) throw new RangeError('a field goes beyond its message')
      yield { number, bytes: message.subarray(at, at + length), varint: 0n }
      at += length
    } else throw new RangeError(`wire type ${type} is not understood`)
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}
