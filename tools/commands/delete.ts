/** `varve delete KEY`. */

import type { Command } from 'commander'
import { withClient } from '../connect.js'
import { addWriteOptions, keyBytes, printWrite, type WriteOptions, writeRequest } from './write.js'

export function addDelete(program: Command): void {
  const command = program
    .command('delete')
    .aliases(['del', 'rm'])
    .description('take a key away; its history stays in the log')
    .argument('<key>', 'the key')
    .action((key: string, _options, command: Command) => remove(key, command.optsWithGlobals<WriteOptions>()))
  addWriteOptions(command)
}

async function remove(key: string, options: WriteOptions): Promise<void> {
  const keyGiven = keyBytes(key)
  await withClient(options, async client => {
    const answer = await client.delete(keyGiven, writeRequest(options))
    await printWrite('delete', key, answer, options)
  })
}
