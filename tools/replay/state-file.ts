/** A replayed state as ndjson: a line for each key that has a value, in the byte order of the keys. */

import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import { isSystemKey } from '../../src/log/system-key.js'
import { replayedEntries } from '../../src/projection/replay-entries.js'
import { print } from '../output.js'
import { mergeByKey } from '../past/merge-keys.js'
import { jsonBytes } from '../text.js'
import type { ReplayedTarget } from './check.js'

/** Lines are handed on in pieces of about so many characters. */
const PIECE_LENGTH = 65_536

interface StateLine {
  readonly key: Buffer
  readonly text: string
}

/**
 * Writes the state of all targets, to a file or to stdout; resolves to the number of keys. A file of that name is
 * replaced. `onProgress` is told how far the values are read, over all targets.
 */
export async function writeState(
  targets: readonly ReplayedTarget[],
  file: string | undefined,
  onProgress: (index: number) => void,
): Promise<number> {
  const stream = file === undefined ? undefined : await openFile(file)
  const write = stream === undefined ? print : (text: string) => writeTo(stream, text)
  const progress = new Map<string, number>()
  const lists = targets.map(target => {
    return linesOf(target, index => {
      progress.set(target.shard, index)
      onProgress([...progress.values()].reduce((sum, each) => sum + each, 0))
    })
  })
  let keys = 0
  let piece = ''
  for await (const { text } of mergeByKey(lists)) {
    keys += 1
    piece += `${text}\n`
    if (piece.length < PIECE_LENGTH) continue
    await write(piece)
    piece = ''
  }
  await write(piece)
  if (stream !== undefined) {
    stream.end()
    await finished(stream)
  }
  return keys
}

/** The lines of one shard; there may be millions, so each is made straight from its entry. */
async function* linesOf(
  { shard, source, state }: ReplayedTarget,
  onProgress: (index: number) => void,
): AsyncGenerator<StateLine> {
  for await (const entry of replayedEntries(source, state, { onProgress })) {
    const { key, value, index, stamp, epoch, actor } = entry
    if (isSystemKey(key)) continue
    const place = { shard, index, lamport: stamp.lamport, wallMs: stamp.wallMs, epoch, actor }
    yield { key, text: JSON.stringify({ ...jsonBytes('key', key), ...jsonBytes('value', value), ...place }) }
  }
}

/** Opened before anything is written: a name that cannot be is an error of the person. */
async function openFile(file: string): Promise<WriteStream> {
  const stream = createWriteStream(file)
  await once(stream, 'open')
  return stream
}

async function writeTo(stream: WriteStream, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain')
}
