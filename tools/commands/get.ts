/** `varve get KEY`: what it holds, or held at a moment. */

import { type Command, Option } from 'commander'
import { parseAddress, withClient } from '../connect.js'
import { badUsage, ExitCode } from '../exit-codes.js'
import { note, print, printObject } from '../output.js'
import { momentText, noteMoments } from '../past/moment-text.js'
import { TIME_HELP, timeOf } from '../past/past-options.js'
import { type PastOptions, withPast } from '../past/past-source.js'
import { jsonBytes, printableLines } from '../text.js'
import {
  consistencyOption,
  positionFields,
  type RequestConsistency,
  type Written,
} from './request-options.js'
import { keyBytes } from './write.js'

interface GetOptions extends PastOptions {
  readonly at?: string
  readonly consistency?: RequestConsistency
  readonly raw?: boolean
}

export function addGet(program: Command): void {
  program
    .command('get')
    .description('print the value of a key')
    .argument('<key>', 'the key')
    .addOption(consistencyOption(['strong', 'weak', 'session']))
    .option('--at <time>', `the value that it had then: ${TIME_HELP}`)
    .option('--data <folder>', 'read the folder of a stopped cluster or node instead of asking a cluster')
    .option(
      '--replica <address>',
      'ask this replica and no other; with --data, read its folder',
      parseAddress,
    )
    .addOption(new Option('--raw', 'the bytes of the value as they are, and nothing else'))
    .action((key: string, _options, command: Command) => get(key, command.optsWithGlobals<GetOptions>()))
}

async function get(key: string, options: GetOptions): Promise<void> {
  const keyGiven = keyBytes(key)
  if (options.at !== undefined || options.data !== undefined) return await getPast(key, keyGiven, options)
  const answer = await withClient(options, client =>
    client.getEntry(keyGiven, {
      ...(options.consistency === undefined ? {} : { consistency: options.consistency }),
      ...(options.replica === undefined ? {} : { replica: options.replica }),
    }),
  )
  if (!answer.found) process.exitCode = ExitCode.NO
  const value = answer.found ? answer.value : undefined
  if (options.raw || options.output === 'table') return await printValue(key, value, options)
  const { appliedIndex, node } = answer
  const object = { ...readObject(key, value, answer), appliedIndex, node }
  await printObject(options.output, object, () => '')
}

async function getPast(key: string, keyGiven: Buffer, options: GetOptions): Promise<void> {
  if (options.data === undefined && options.replica !== undefined) {
    throw badUsage(
      '--replica given with --at: which replica answers for a moment that is over does not matter',
    )
  }
  await withPast(options, async source => {
    const at = await source.resolve(timeOf(options.at, '--at'), '--at', source.shardsOf(keyGiven))
    const answer = await source.get(keyGiven, at)
    const { value } = answer
    if (value === undefined) process.exitCode = ExitCode.NO
    if (options.raw || options.output === 'table') {
      await printValue(key, value, options)
      return options.raw ? undefined : noteMoments(momentText(at))
    }
    // Of a key that was never written there is nothing to be committed, whoever answers.
    const position = { ...answer, committed: answer.index > 0 && answer.committed }
    await printObject(options.output, { ...readObject(key, value, position), at }, () => '')
  })
}

function readObject(key: string, value: Buffer | undefined, at: Written): object {
  const { shard, index, lamport, ...position } = positionFields(at)
  return {
    op: 'get',
    key,
    found: value !== undefined,
    ...(value === undefined ? { value: null } : jsonBytes('value', value)),
    shard,
    index,
    lamport,
    ...position,
  }
}

async function printValue(key: string, value: Buffer | undefined, options: GetOptions): Promise<void> {
  if (value === undefined) return note(`varve: ${key} not found`)
  if (!options.raw) return await print(`${printableLines(value)}\n`)
  process.stdout.write(value)
}
