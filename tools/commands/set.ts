/** `varve set KEY VALUE`. */

import type { Command } from 'commander'
import { withClient } from '../connect.js'
import { readStdin } from './request-options.js'
import { addWriteOptions, keyBytes, printWrite, type WriteOptions, writeRequest } from './write.js'

export function addSet(program: Command): void {
  const command = program
    .command('set')
    .alias('put')
    .description('give a key a value')
    .argument('<key>', 'the key')
    .argument('<value>', 'its value; - takes all of stdin, byte for byte')
    .action((key: string, value: string, _options, command: Command) =>
      set(key, value, command.optsWithGlobals<WriteOptions>()),
    )
  addWriteOptions(command)
}

async function set(key: string, value: string, options: WriteOptions): Promise<void> {
  const keyGiven = keyBytes(key)
  const valueGiven = value === '-' ? await readStdin() : Buffer.from(value, 'utf8')
  await withClient(options, async client => {
    const answer = await client.set(keyGiven, valueGiven, writeRequest(options))
    await printWrite('set', key, answer, options)
  })
}
