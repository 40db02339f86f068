/** An SVG figure as PNG, with a font of our own: a fresh machine may have none. */

import { createRequire } from 'node:module'
import { Resvg } from '@resvg/resvg-js'

/** So many pixels of the image for one of the figure: sharp on a dense screen and in print. */
const SCALE = 2
const FONT_FILES = ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf']

/** The bytes of a PNG image. What a style sheet would change is not: the drawing's own theme shows. */
export function renderPng(svg: string): Buffer {
  const { resolve } = createRequire(import.meta.url)
  const image = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: SCALE },
    font: {
      fontFiles: FONT_FILES.map(file => resolve(`@expo-google-fonts/inter/${file}`)),
      loadSystemFonts: false,
      defaultFontFamily: 'Inter',
    },
  })
  return image.render().asPng()
}
