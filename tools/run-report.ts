/** What `varve run` prints: each operation's answer, in the end counts, throughput and latency. */

import type { Histogram } from 'hdr-histogram-js'
import { type ListPrinter, listPrinter, note, type OutputFormat, print } from './output.js'
import type { RunOperation } from './run-file.js'
import { count, duration, jsonBytes, plural } from './text.js'

/** Where the answer of an operation stands, as far as `run` prints it. */
interface At {
  readonly shard: string
  readonly epoch: number
  readonly index: number
  readonly lamport: number
  readonly wallMs: number
  readonly committed: boolean
}

/** The answer to one operation. `value` is only there where a `get` found one. */
export interface RunResult {
  readonly operation: RunOperation
  readonly at: At
  readonly value: Buffer | undefined
}

/** Adds up results; prints them as they come where the output is for programs. */
export class RunReport {
  readonly #file: string
  readonly #format: OutputFormat
  readonly #printer: ListPrinter<RunResult>
  readonly #latencyUs: Histogram
  readonly #startedAt = performance.now()
  readonly #counts = { set: 0, get: 0, delete: 0 }
  #found = 0

  private constructor(file: string, format: OutputFormat, latencyUs: Histogram) {
    this.#file = file
    this.#format = format
    this.#latencyUs = latencyUs
    this.#printer = listPrinter(format, resultObject, () => '')
  }

  /** A report whose time begins now. */
  static async open(file: string, format: OutputFormat): Promise<RunReport> {
    const { build } = await import('hdr-histogram-js')
    const latencyUs = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: 3_600_000_000,
      useWebAssembly: false,
    })
    return new RunReport(file, format, latencyUs)
  }

  /** Measures how long an operation takes to be answered. */
  async time<T>(perform: () => Promise<T>): Promise<T> {
    const begun = performance.now()
    const answer = await perform()
    this.#latencyUs.recordValue(Math.max(1, Math.round((performance.now() - begun) * 1_000)))
    return answer
  }

  /** Takes the next answer, in the order of the file. */
  async add(result: RunResult): Promise<void> {
    this.#counts[result.operation.kind]++
    if (result.value !== undefined) this.#found++
    if (this.#format !== 'table') await this.#printer.add(result)
  }

  /** Prints the summary: on stdout for people, on stderr where stdout carries the answers. */
  async end(): Promise<void> {
    await this.#printer.end()
    const text = this.#summary()
    if (this.#format === 'table') await print(`${text}\n`)
    else note(text)
  }

  #summary(): string {
    const { set, get, delete: deleted } = this.#counts
    const total = set + get + deleted
    const elapsedMs = performance.now() - this.#startedAt
    const at = (percentile: number) => duration(this.#latencyUs.getValueAtPercentile(percentile) / 1_000)
    const lines = [
      `${this.#file}: ${plural(total, 'operation')} in ${duration(elapsedMs)}, ${count(total / (elapsedMs / 1_000))}/s`,
      `  ${count(set)} set, ${count(get)} get (${count(this.#found)} found), ${count(deleted)} delete`,
    ]
    if (total > 0) lines.push(`  latency p50 ${at(50)}, p99 ${at(99)}, longest ${at(100)}`)
    return lines.join('\n')
  }
}

/** The object that stands for an answer in JSON. The fields of a `get` are these, in this order, and no others. */
function resultObject({ operation, at, value }: RunResult): object {
  const { line, kind, key } = operation
  const { shard, epoch, index, lamport, wallMs, committed } = at
  const head = { line, op: kind, ...jsonBytes('key', key) }
  if (kind !== 'get') return { ...head, shard, index, lamport, committed, epoch, wallMs }
  const held = value === undefined ? { value: null } : jsonBytes('value', value)
  return { ...head, found: value !== undefined, ...held, shard, index, lamport }
}
