/** Every figure, drawn of runs as they come. */
import test from 'ava'
import { NothingToDraw } from '../../tools/figures/figure.js'
import { FIGURES } from '../../tools/figures/figures.js'
import { plotSvg } from '../../tools/figures/plot.js'
import { renderPng } from '../../tools/figures/render-png.js'
import { textWidth } from '../../tools/figures/text-width.js'
import { DARK, LIGHT } from '../../tools/figures/theme.js'
import { failoverChain, scaleSeries, weakAgainstStrong } from './support/made-experiments.js'
import { makeRun } from './support/made-run.js'
import { smallRun } from './support/small-run.js'

const SIZE_MAX = 300_000
const figureCalled = (name: string) => FIGURES.find(each => each.name === name)!
const wide = weakAgainstStrong()
const chain = failoverChain()

interface TextBox {
  readonly text: string
  readonly left: number
  readonly right: number
  readonly middle: number
  readonly sizePx: number
}

/** The texts that are read from left to right, as boxes; a little narrower than reckoned, as that is on the safe side. */
function textBoxes(svg: string): TextBox[] {
  const texts = svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)
  return [...texts].flatMap(([, attributes, text]) => {
    if (/rotate|matrix/.test(attributes!)) return []
    const [, x = '0', y = '0'] = /translate\(([-\d.]+)[ ,]([-\d.]+)\)/.exec(attributes!) ?? []
    const within = Number(/ y="([-\d.]+)"/.exec(attributes!)?.[1] ?? 0)
    const ownX = Number(/ x="([-\d.]+)"/.exec(attributes!)?.[1] ?? 0)
    const sizePx = Number(/font-size:(\d+)px/.exec(attributes!)?.[1] ?? 12)
    const width = textWidth(text!, sizePx) * 0.85
    const anchor = /text-anchor="(\w+)"/.exec(attributes!)?.[1] ?? 'start'
    const left = Number(x) + ownX - (anchor === 'end' ? width : anchor === 'middle' ? width / 2 : 0)
    return [{ text: text!, left, right: left + width, middle: Number(y) + within, sizePx }]
  })
}

function overlaps(boxes: readonly TextBox[]): string[] {
  return boxes.flatMap((one, at) =>
    boxes
      .slice(at + 1)
      .filter(other => one.left < other.right && other.left < one.right)
      .filter(other => Math.abs(one.middle - other.middle) < 0.4 * (one.sizePx + other.sizePx))
      .map(other => `${one.text} / ${other.text}`),
  )
}

for (const figure of FIGURES.filter(({ name }) => name !== 'scaling')) {
  test(`${figure.name} of 33 replicas is small, repeatable and has no texts that meet or leave the sheet`, t => {
    const runs = figure.of === 'run' ? [wide.runs[1]!] : wide.runs
    const svg = plotSvg(figure, runs, { comparedWith: wide.runs })
    t.true(svg.length < SIZE_MAX, `${svg.length} characters`)
    t.is(plotSvg(figure, runs, { comparedWith: wide.runs }), svg)
    const boxes = textBoxes(svg)
    t.true(boxes.length > 5)
    t.deepEqual(overlaps(boxes), [])
    t.deepEqual(
      boxes.filter(({ left, right }) => left < 0 || right > 800),
      [],
    )
  })

  test(`${figure.name} of a run in which nothing happened says that there is nothing to draw`, t => {
    const error = t.throws(() => plotSvg(figure, [smallRun()]), { instanceOf: NothingToDraw })
    t.notRegex(error.message, /undefined|NaN/)
  })
}

test('every fault of a run is written below its throughput', t => {
  const svg = plotSvg(figureCalled('throughput'), chain.runs)
  for (const label of ['kill head :5001', 'start :5001', 'kill :5003', 'kill head :5002']) {
    t.true(svg.includes(`>${label}<`), label)
  }
  t.deepEqual(overlaps(textBoxes(svg)), [])
})

test('faults too close for labels are numbered, and a list says what each was', t => {
  const outages = [...Array(9).keys()].map(n => ({
    replica: n % 3,
    target: 'HEAD',
    fromMs: 1_000 + n * 500,
    toMs: 1_400 + n * 500,
  }))
  const shape = { topology: 'chain', consistency: 'strong', shards: 1, replicas: 3, seconds: 20 } as const
  const svg = plotSvg(figureCalled('throughput'), [makeRun({ ...shape, name: 'dense', outages })])
  t.regex(svg, />18 {2}5\.1 s {2}start :5003</)
  t.deepEqual(overlaps(textBoxes(svg)), [])
})

test('figures of one experiment share their scales', t => {
  const ticks = (at: number) =>
    textBoxes(plotSvg(figureCalled('throughput'), [wide.runs[at]!], { comparedWith: wide.runs }))
      .filter(({ text }) => /^[\d.,]+k?$/.test(text))
      .map(({ text }) => text)
  t.true(ticks(0).length > 8)
  t.deepEqual(ticks(0), ticks(1))
})

test('runs of one size have nothing to be scaled by, runs of several have a point each', t => {
  t.throws(() => plotSvg(figureCalled('scaling'), chain.runs), { instanceOf: NothingToDraw })
  const svg = plotSvg(figureCalled('scaling'), scaleSeries().runs)
  for (const size of ['1', '3', '5', '9', '15', '30', '60']) t.true(svg.includes(`>${size}<`), size)
  t.deepEqual(overlaps(textBoxes(svg)), [])
})

test('an SVG for light ground has a dark colour for each of its own', t => {
  const svg = plotSvg(figureCalled('divergence'), [wide.runs[1]!])
  const [, style = '', rest = ''] = /<style>(.*?)<\/style>(.*)/s.exec(svg)!
  t.true(style.includes('prefers-color-scheme:dark'))
  const used = new Set([...rest.matchAll(/(?:fill|stroke)="(#[0-9a-f]+)"/g)].map(([, colour]) => colour!))
  used.delete('#000')
  t.deepEqual(
    [...used].filter(colour => !style.includes(`[fill="${colour}"]`)),
    [],
  )
})

test('a dark SVG is dark for everybody', t => {
  const svg = plotSvg(figureCalled('operations'), wide.runs, { dark: true })
  t.false(svg.includes('prefers-color-scheme'))
  t.true(svg.includes(`fill="${DARK.ground}"`))
  t.false(svg.includes(LIGHT.ground))
})

test('no light colour stands for two things, as the dark one is found by it', t => {
  const colours = Object.values(LIGHT).flat()
  t.is(new Set(colours).size, colours.length)
  t.is(Object.values(DARK).flat().length, colours.length)
})

test('a PNG has twice the pixels of its figure, in either direction', t => {
  const png = renderPng(plotSvg(figureCalled('operations'), wide.runs, { widthPx: 900 }))
  t.is(png.toString('latin1', 1, 4), 'PNG')
  t.is(png.readUInt32BE(16), 1_800)
})

test('a figure says what it shows to those who cannot see it', t => {
  const title = /<title>([^<]+)<\/title>/.exec(plotSvg(figureCalled('operations'), wide.runs))?.[1]
  t.regex(title ?? '', /^Operations per shard \(count\)\. .*failed ones included\.$/)
})
