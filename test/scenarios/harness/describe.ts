/** Messages, records and configurations in one short line each, for scripts to compare. */
import {
  type Configuration,
  ConfigurationStatus,
  type Envelope,
  type EpochEnd,
} from '../../../src/generated/varve/v1/replication.js'
import { Operation } from '../../../src/log/entry.js'
import { LogRecord } from '../../../src/log/record-codec.js'
import type { Body } from '../../../src/replication/effects.js'

/** Values longer than this are shown by their size. */
const VALUE_SHOWN_MAX = 20

/** `a->b e1 record 2..2 (x=1) commit=1`. */
export function describeEnvelope(to: string, { from, epoch, body }: Envelope): string {
  return `${from}->${to} e${epoch} ${body === undefined ? 'nothing' : describeBody(body)}`
}

function describeBody(body: Body): string {
  switch (body.$case) {
    case 'register':
      return `register ${body.value.replicas.map(({ adoptedEpoch, lastIndex }) => `e${adoptedEpoch} last=${lastIndex}`)}`
    case 'heartbeat':
      return `heartbeat ${body.value.replicas.map(
        ({ epoch, reportedIndex, commitIndex, active }) =>
          `e${epoch}${active ? ' active' : ''} reported=${reportedIndex} commit=${commitIndex}`,
      )}`
    case 'heartbeatAnswer':
      return `heartbeat-answer ${body.value.known ? 'known' : 'unknown'}`
    case 'shardMap':
      return `shard-map ${body.value.shards.map(
        ({ epoch, status, head, waitingFor }) =>
          `e${epoch} ${status} head=${head}${waitingFor === '' ? '' : ` waiting for ${waitingFor}`}`,
      )}`
    case 'seal':
    case 'drain':
    case 'probe':
    case 'goodbye':
      return body.$case
    case 'suspect':
      return `suspect ${body.value.address}`
    case 'learn':
      return `learn from ${body.value.upstream} ${describeConfiguration(body.value.configuration)}`
    case 'baseChunk':
      return `base-chunk of ${body.value.index} at ${body.value.offsetBytes} of ${body.value.totalBytes}`
    case 'baseReceipt':
      return `base-receipt of ${body.value.index} ${body.value.receivedBytes}`
    case 'sealed':
      return `sealed last=${body.value.summary?.lastIndex} epochs=${describeEpochs(body.value.summary?.epochs ?? [])}`
    case 'configure':
    case 'activate':
      return `${body.$case} ${describeConfiguration(body.value.configuration)}`
    case 'ready':
      return `ready epochIndex=${body.value.epochIndex}`
    case 'follow':
      return `follow last=${body.value.lastIndex} commit=${body.value.commitIndex} epochs=${describeEpochs(body.value.epochs)}`
    case 'followFrom':
      return `follow-from ${body.value.index}`
    case 'record':
      return `record ${describeRecord(LogRecord.decode(body.value.record))} commit=${body.value.commitIndex}`
    case 'commit':
      return `commit ${body.value.commitIndex}`
    case 'report':
      return `report ${body.value.matched ? body.value.index : 'unmatched'} received=${body.value.receivedIndex}`
    case 'barrier':
      return `barrier nonce=${body.value.nonce}`
    case 'barrierAnswer':
      return `barrier-answer nonce=${body.value.nonce}`
    case 'readIndex':
      return `read-index id=${body.value.id}`
    case 'readIndexAnswer': {
      const { id, index, refused } = body.value
      return `read-index-answer id=${id} ${refused === '' ? `index=${index}` : `refused: ${refused}`}`
    }
  }
}

/** `[1:1..4 2:5..5]`: epoch, first and last index. */
export function describeEpochs(epochs: readonly EpochEnd[]): string {
  return `[${epochs.map(({ epoch, startIndex, lastIndex }) => `${epoch}:${startIndex}..${lastIndex}`).join(' ')}]`
}

/** `head=a a#1 b#2<a c#3<b active`: members with incarnation and upstream. */
export function describeConfiguration(configuration: Configuration | null | undefined): string {
  if (configuration === undefined || configuration === null) return 'none'
  const members = configuration.members.map(
    ({ address, incarnation, upstream }) =>
      `${address}#${incarnation}${upstream === '' ? '' : `<${upstream}`}`,
  )
  const status = configuration.status === ConfigurationStatus.ACTIVE ? 'ACTIVE' : 'PROPOSED'
  return `head=${configuration.head} ${members.join(' ')} ${status}`
}

/** `2..3 e1 (x=1 y=2)`. */
export function describeRecord(record: LogRecord): string {
  const entries: string[] = []
  for (let slot = 0; slot < record.count; slot += 1) entries.push(describeEntry(record, slot))
  return `${record.firstIndex}..${record.lastIndex} e${record.epoch} (${entries.join(' ')})`
}

function describeEntry(record: LogRecord, slot: number): string {
  const operation = record.operation(slot)
  if (operation === Operation.EPOCH) return 'EPOCH'
  if (operation === Operation.NOOP) return 'NOOP'
  const key = record.key(slot).toString()
  if (operation === Operation.DELETE) return `${key} deleted`
  const value = record.value(slot)
  return `${key}=${value.length > VALUE_SHOWN_MAX ? `${value.length} bytes` : value.toString()}`
}
