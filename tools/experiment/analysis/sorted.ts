/** Look-ups in numbers that stand in ascending order, and what the middle of many is. */

/** How many of the first values are at most `limit`; the values do not descend. */
export function countUpTo(values: ArrayLike<number>, limit: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** The value that the share `q` (0 to 1) of the values does not exceed, by nearest rank; undefined of none. */
export function quantile(ascending: ArrayLike<number>, q: number): number | undefined {
  const rank = Math.ceil(q * ascending.length)
  return ascending[Math.max(0, rank - 1)]
}

/** A copy in ascending order. */
export function ascending(values: Iterable<number>): Float64Array {
  return Float64Array.from(values).sort()
}
