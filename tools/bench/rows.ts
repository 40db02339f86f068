/** The rows of the table: which operation, in which mode, on which shape of cluster, with how many outstanding. */

import type { TopologyName } from '../../src/node/cluster-config.js'

export type Operation = 'write' | 'read'
/** `weak` reads are local to a replica; `session` reads too, but never older than what the client has seen. */
export type Level = 'strong' | 'weak' | 'session'
/** Who is measured. */
export type System = 'varve' | 'etcd' | 'redis'

export interface Row {
  readonly system: System
  readonly operation: Operation
  readonly level: Level
  /** Of a Varve cluster; empty for the others. */
  readonly topology: TopologyName | ''
  readonly outstanding: number
}

/** Which rows there are. */
export interface RowChoice {
  readonly operations: readonly Operation[]
  readonly levels: readonly ('strong' | 'weak')[]
  /** What stands for a read that is not strong. */
  readonly weakReads: readonly ('weak' | 'session')[]
  readonly topologies: readonly TopologyName[]
  readonly outstanding: readonly number[]
}

/**
 * All rows of the choice. Neighbours differ in the shape of the cluster first, so that what changes on the
 * machine over time meets all shapes alike.
 */
export function varveRows(choice: RowChoice): Row[] {
  const rows: Row[] = []
  for (const operation of choice.operations) {
    for (const level of levelsOf(operation, choice)) {
      for (const outstanding of choice.outstanding) {
        for (const topology of choice.topologies) {
          rows.push({ system: 'varve', operation, level, topology, outstanding })
        }
      }
    }
  }
  return rows
}

function levelsOf(operation: Operation, choice: RowChoice): Level[] {
  if (operation === 'write') return [...choice.levels]
  return choice.levels.flatMap((level): Level[] => (level === 'weak' ? [...choice.weakReads] : [level]))
}

/** The row in words, as it is selected: `write strong chain 512`. */
export function rowName(row: Row): string {
  const system = row.system === 'varve' ? [] : [row.system]
  return [
    ...system,
    row.operation,
    row.level,
    ...(row.topology === '' ? [] : [row.topology]),
    row.outstanding,
  ].join(' ')
}

/**
 * The rows that at least one selection names. A selection is words between slashes, in any order, and names the
 * rows that have all of them: `write/strong/512`. No selection names all rows.
 */
export function selectRows(rows: readonly Row[], selections: readonly string[]): Row[] {
  if (selections.length === 0) return [...rows]
  const wanted = selections.map(selection => selection.split('/').filter(word => word !== ''))
  return rows.filter(row => {
    const words = new Set([row.system, ...rowName(row).split(' ')])
    return wanted.some(selection => selection.every(word => words.has(word)))
  })
}
