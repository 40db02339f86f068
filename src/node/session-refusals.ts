/** Answers of a session that no replica gives: the shard is not here, or there is no room for the values. */
import { RequestKind } from '../client/session-frame.js'
import { ReadFrameReader, WriteFrameReader } from '../client/session-frame-request.js'
import { encodeFailed } from '../client/session-frame-response.js'
import type { NodeHost } from './node-host.js'

/**
 * To a frame for a shard that has no replica here: the address of its head, where that is known.
 * Throws `VarveError` INVALID_ARGUMENT for one that cannot be read.
 */
export function answerElsewhere(host: NodeHost, frame: Buffer, kind: 1 | 2, ordinal: number): Buffer {
  const reader = kind === RequestKind.WRITES ? new WriteFrameReader() : new ReadFrameReader()
  reader.reset(frame)
  const map = host.shardMap()
  const shard = map?.shards.find(each => each.ordinal === ordinal)
  const isUnknown = map !== undefined && shard === undefined
  return encodeFailed({
    shard: ordinal,
    count: reader.count,
    epoch: shard?.epoch ?? 0,
    firstId: reader.firstId,
    lamport: host.observe(reader.observedLamport),
    operations: kind === RequestKind.WRITES ? 'writes' : 'reads',
    code: isUnknown ? 'UNKNOWN_SHARD' : 'NOT_MEMBER',
    outcome: 'failed',
    retryable: !isUnknown,
    message: isUnknown
      ? `there is no shard number ${ordinal}, the cluster has ${map.shards.length}`
      : `${host.address} has no replica of ${shard?.name ?? `shard number ${ordinal}`}`,
    hint: shard?.head === host.address ? '' : (shard?.head ?? ''),
  })
}

/** In place of values for which there is no room: reads may be asked again, when the client has read what waits. */
export function answerTooMuch(answer: Buffer): Buffer {
  return encodeFailed({
    shard: answer.readUInt16LE(2),
    count: answer.readUInt32LE(4),
    epoch: answer.readDoubleLE(8),
    firstId: answer.readDoubleLE(16),
    lamport: answer.readDoubleLE(24),
    operations: 'reads',
    code: 'RESOURCE_EXHAUSTED',
    outcome: 'failed',
    retryable: true,
    message: 'too many bytes of answers wait for this client: ask for less at once',
    hint: '',
  })
}
