/** Puts and ranges of etcd's version 3 interface. */

import type { Target } from '../targets.js'
import { bytesField, fieldsOf, numberField } from './protobuf.js'
import { UnaryConnection } from './unary-connection.js'

const PUT = '/etcdserverpb.KV/Put'
const RANGE = '/etcdserverpb.KV/Range'
const STATUS = '/etcdserverpb.Maintenance/Status'

/** Field numbers of etcd's messages. */
const KEY = 1
const PUT_VALUE = 2
const RANGE_SERIALIZABLE = 7
const RANGE_KVS = 2
const KV_VALUE = 5
const STATUS_HEADER = 1
const HEADER_MEMBER_ID = 2
const STATUS_LEADER = 4

/** The endpoint whose member says that it leads; undefined while none does. */
export async function findLeader(endpoints: readonly string[]): Promise<string | undefined> {
  for (const endpoint of endpoints) {
    if (await leads(endpoint).catch(() => false)) return endpoint
  }
  return undefined
}

async function leads(endpoint: string): Promise<boolean> {
  const connection = await UnaryConnection.open(endpoint)
  try {
    const fields = [...fieldsOf(await connection.call(STATUS, Buffer.alloc(0)))]
    const leader = fields.find(field => field.number === STATUS_LEADER)?.varint ?? 0n
    const header = fields.find(field => field.number === STATUS_HEADER)?.bytes ?? Buffer.alloc(0)
    const member = [...fieldsOf(header)].find(field => field.number === HEADER_MEMBER_ID)?.varint
    return leader !== 0n && leader === member
  } finally {
    connection.close()
  }
}

/** The member under load. A weak or session read is a serializable one: that member's own state. */
export async function connectEtcd(endpoints: readonly string[]): Promise<Target> {
  const connection = await UnaryConnection.open(endpoints[0]!)
  return {
    writer: () => (key, value) =>
      connection.call(PUT, Buffer.concat([bytesField(KEY, Buffer.from(key)), bytesField(PUT_VALUE, value)])),
    reader(level) {
      const mode = level === 'strong' ? Buffer.alloc(0) : numberField(RANGE_SERIALIZABLE, 1)
      return async key => {
        const request = Buffer.concat([bytesField(KEY, Buffer.from(key)), mode])
        return valueIn(await connection.call(RANGE, request))
      }
    },
  }
}

function valueIn(response: Buffer): Buffer | undefined {
  for (const { number, bytes } of fieldsOf(response)) {
    if (number !== RANGE_KVS || bytes === undefined) continue
    for (const field of fieldsOf(bytes)) {
      if (field.number === KV_VALUE) return field.bytes
    }
  }
  return undefined
}
