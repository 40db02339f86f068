/**
 * Colours of the figures on a light and on a dark ground. Series are told apart by the colours of Okabe and Ito, which
 * colour-blind readers can tell apart as well; steps of a heat map are those of viridis, which also grow in lightness.
 */

export interface Theme {
  readonly ground: string
  /** Of titles and labels that matter; of what is read second; of axes; of lines behind everything. */
  readonly ink: string
  readonly softInk: string
  readonly axis: string
  readonly gridline: string
  readonly blue: string
  readonly vermilion: string
  readonly green: string
  readonly orange: string
  readonly purple: string
  readonly sky: string
  /** Of what stands behind a highlighted line, and of a range around it. */
  readonly quiet: string
  readonly band: string
  /** Of a failover's time, and of a fault's moment. */
  readonly failover: string
  readonly fault: string
  /** Of a cell of a heat map without a value, with nothing in it, and of more and more. */
  readonly noValue: string
  readonly heatNone: string
  readonly heat: readonly string[]
}

/** No colour stands here twice: the dark colour is found by the light one. */
export const LIGHT: Theme = {
  ground: '#ffffff',
  ink: '#1b1f24',
  softInk: '#59616b',
  axis: '#9aa2ab',
  gridline: '#e6e9ec',
  blue: '#0072b2',
  vermilion: '#d55e00',
  green: '#009e73',
  orange: '#e69f00',
  purple: '#cc79a7',
  sky: '#56b4e9',
  quiet: '#a9b3bd',
  band: '#b9d7ea',
  failover: '#fbe0d0',
  fault: '#7a828c',
  noValue: '#d3d7db',
  heatNone: '#f1f3f5',
  heat: ['#e3e418', '#95d840', '#3dbc74', '#1f968b', '#2d718e', '#414487', '#440154'],
}

export const DARK: Theme = {
  ground: '#14171b',
  ink: '#eceff2',
  softInk: '#a3acb6',
  axis: '#69727d',
  gridline: '#2a2f36',
  blue: '#4aa8e0',
  vermilion: '#f07a2c',
  green: '#2cc299',
  orange: '#f2b63c',
  purple: '#dd93bd',
  sky: '#9bd4f5',
  quiet: '#5b6570',
  band: '#24485f',
  failover: '#4a2a18',
  fault: '#8b949e',
  noValue: '#3d444c',
  heatNone: '#252b32',
  heat: ['#443983', '#31688e', '#277f8e', '#1fa187', '#4ac16d', '#a0da39', '#fde725'],
}

/** The colours of series, in the order in which they are taken. */
export function seriesColours({ blue, vermilion, green, orange, purple, sky }: Theme): readonly string[] {
  return [blue, vermilion, green, orange, purple, sky]
}

/** Every light colour with the dark one in its place. */
export function colourPairs(): (readonly [light: string, dark: string])[] {
  return (Object.keys(LIGHT) as (keyof Theme)[]).flatMap(name => {
    const [light, dark] = [[LIGHT[name]].flat(), [DARK[name]].flat()]
    return light.map((colour, at) => [colour, dark[at]!] as const)
  })
}
