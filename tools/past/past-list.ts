/** Lists of the past in the three forms of output: each says first, in JSON, what moments it is of. */

import { type Column, ColumnPrinter, type Style } from '../column-printer.js'
import { type ListPrinter, type OutputFormat, print } from '../output.js'

/** How an item is shown. */
export interface ListForm<T> {
  /** What the list is called in JSON. */
  readonly name: string
  readonly columns: readonly Column[]
  toObject(item: T): object
  toCells(item: T): readonly string[]
  style?(item: T): Style
}

/**
 * A list that is printed as it comes. `json` is one object: the fields of `header`, then the list. `ndjson` is one line
 * with these fields, then one for each item.
 */
export function pastList<T>(format: OutputFormat, header: object, form: ListForm<T>): ListPrinter<T> {
  if (format === 'table') return tableList(form)
  if (format === 'ndjson') return ndjsonList(header, form)
  let items = 0
  const opening = `{${JSON.stringify(header).slice(1, -1)},${JSON.stringify(form.name)}:[`
  return {
    add: item => print(`${items++ === 0 ? `${opening}\n` : ',\n'}  ${JSON.stringify(form.toObject(item))}`),
    end: () => print(items === 0 ? `${opening}]}\n` : '\n]}\n'),
  }
}

function tableList<T>(form: ListForm<T>): ListPrinter<T> {
  const printer = new ColumnPrinter(form.columns)
  return {
    add: item => printer.add(form.toCells(item), form.style?.(item)),
    end: () => printer.end(),
  }
}

function ndjsonList<T>(header: object, form: ListForm<T>): ListPrinter<T> {
  let hasBegun = false
  const begin = async () => {
    if (!hasBegun) await print(`${JSON.stringify(header)}\n`)
    hasBegun = true
  }
  return {
    add: async item => {
      await begin()
      await print(`${JSON.stringify(form.toObject(item))}\n`)
    },
    end: begin,
  }
}
