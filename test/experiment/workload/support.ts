/** Workloads for tests: as they are described, with few operations. */

import type {
  MixedWorkload,
  RunFileWorkload,
  YcsbWorkload,
} from '../../../tools/experiment/workload/workload.js'
import { parseWorkload } from '../../../tools/experiment/workload/workload-spec.js'

export function mixed(given: Record<string, unknown> = {}): MixedWorkload {
  return parseWorkload({ kind: 'normal', operations: 1_000, ...given }, 'test') as MixedWorkload
}

export function ycsb(workload: string, given: Record<string, unknown> = {}): YcsbWorkload {
  return parseWorkload({ kind: 'ycsb', workload, operations: 1_000, ...given }, 'test') as YcsbWorkload
}

export function runFile(file: string, given: Record<string, unknown> = {}): RunFileWorkload {
  return parseWorkload({ kind: 'run-file', file, ...given }, 'test') as RunFileWorkload
}
