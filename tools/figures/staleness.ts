/** How stale weak reads were: versions missed, and since when the oldest of them was to be seen. */

import { ascending, countUpTo } from '../experiment/analysis/sorted.js'
import { type ReadStaleness, readStaleness } from '../experiment/analysis/staleness.js'
import { facetBoxes } from './facets.js'
import { type Figure, NothingToDraw } from './figure.js'
import { legend } from './legend.js'
import { BAR_HEADROOM, decades, fromZero, short } from './numbers.js'
import { runColours } from './run-colours.js'
import { Sheet } from './sheet.js'

const PANEL_PX = 220
const VERSIONS = [1, 2, 3, 4, 5, 10]
const POINTS = 80

export const staleness: Figure = {
  name: 'staleness',
  about: 'how many versions weak reads missed, and how old the oldest missed version was',
  of: 'runs',
  draw(runs, frame) {
    const weak = runs.map(run => ({ run, reads: readStaleness(run) })).filter(({ reads }) => reads.length > 0)
    if (weak.length === 0) throw new NothingToDraw('it holds no weak reads')
    const sheet = new Sheet(frame)
    const under = sheet.title(
      'Staleness of weak reads (% of reads)',
      'Versions that had been acknowledged before a read began and that it did not see (k), and for how long the oldest ' +
        'of them had been acknowledged (t): (k, t)-staleness as in Bailis et al. 2012.',
    )
    const colours = runColours(
      weak.map(({ run }) => run),
      sheet.theme,
    )
    const items = weak.map(({ run, reads }, at) => {
      const fresh = (100 * reads.filter(({ versions }) => versions === 0).length) / reads.length
      return {
        name: `${run.name} (${fresh.toFixed(1)} % fresh)`,
        colour: colours[at]!,
        mark: 'area',
      } as const
    })
    const top = legend(sheet, items, under)
    const [left, right] = facetBoxes(2, sheet.widthPx, { top: top + 20, height: PANEL_PX, rowPx: 0 })
    const shares = weak.map(({ reads }) => VERSIONS.map(versions => shareOf(reads, versions)))
    const axis = { ...fromZero(BAR_HEADROOM * Math.max(0.01, ...shares.flat())), format: short }
    sheet.yName(left!, 'reads that missed k versions or more (%)')
    const bars = sheet.panel(left!, { kind: 'category', names: VERSIONS.map(each => `≥ ${each}`) }, axis)
    for (const [at, values] of shares.entries()) {
      const style = {
        name: weak[at]!.run.name,
        colour: colours[at]!,
        format: short,
        labelled: weak.length <= 2,
      }
      sheet.bars(bars, values, style)
    }
    sheet.xName(left!, 'versions missed, k')
    sheet.yName(right!, 'reads that missed a version older than t (%)')
    const ages = weak.map(({ reads }) => ascending(reads.map(({ ageMs }) => ageMs).filter(age => age > 0)))
    const ageAxis = decades([1, ...ages.map(each => each.at(-1) ?? 1)])
    const lines = sheet.panel(right!, { ...ageAxis, format: short, gridlines: true }, axis)
    for (const [at, each] of ages.entries()) {
      const points = olderThan(each, weak[at]!.reads.length, ageAxis)
      sheet.line(lines, points, { colour: colours[at]!, widthPx: 2 })
    }
    return sheet.drawing(sheet.xName(right!, 'age of the oldest missed version, t (ms)') + 10)
  },
}

function shareOf(reads: readonly ReadStaleness[], versions: number): number {
  return (100 * reads.filter(each => each.versions >= versions).length) / reads.length
}

/** Per cent of all reads that missed something older than each of the ages along the axis. */
function olderThan(ages: Float64Array, reads: number, { min, max }: { min: number; max: number }) {
  return [...Array(POINTS + 1).keys()].map(step => {
    const ageMs = min * (max / min) ** (step / POINTS)
    return [ageMs, (100 * (ages.length - countUpTo(ages, ageMs))) / reads] as const
  })
}
