/** `varve get KEY`. */

import { type Command, Option } from 'commander'
import { type GlobalOptions, parseAddress, withClient } from '../connect.js'
import { ExitCode } from '../exit-codes.js'
import { note, print, printObject } from '../output.js'
import { jsonBytes, printableLines } from '../text.js'
import { consistencyOption, positionFields, type RequestConsistency } from './request-options.js'
import { keyBytes } from './write.js'

interface GetOptions extends GlobalOptions {
  readonly consistency?: RequestConsistency
  readonly replica?: string
  readonly raw?: boolean
}

export function addGet(program: Command): void {
  program
    .command('get')
    .description('print the value of a key')
    .argument('<key>', 'the key')
    .addOption(consistencyOption(['strong', 'weak', 'session']))
    .option('--replica <address>', 'ask this replica and no other, for debugging', parseAddress)
    .addOption(new Option('--raw', 'the bytes of the value as they are, and nothing else'))
    .action((key: string, _options, command: Command) => get(key, command.optsWithGlobals<GetOptions>()))
}

async function get(key: string, options: GetOptions): Promise<void> {
  const keyGiven = keyBytes(key)
  const answer = await withClient(options, client =>
    client.getEntry(keyGiven, {
      ...(options.consistency === undefined ? {} : { consistency: options.consistency }),
      ...(options.replica === undefined ? {} : { replica: options.replica }),
    }),
  )
  if (!answer.found) process.exitCode = ExitCode.NO
  const value = answer.found ? answer.value : undefined
  if (options.raw || options.output === 'table') {
    if (value === undefined) return note(`varve: ${key} not found`)
    if (!options.raw) return print(`${printableLines(value)}\n`)
    process.stdout.write(value)
    return
  }
  const { shard, index, lamport, ...position } = positionFields(answer)
  const object = {
    op: 'get',
    key,
    found: answer.found,
    ...(value === undefined ? { value: null } : jsonBytes('value', value)),
    shard,
    index,
    lamport,
    ...position,
    appliedIndex: answer.appliedIndex,
    node: answer.node,
  }
  await printObject(options.output, object, () => '')
}
