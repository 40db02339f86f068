/** A self-contained page in HTML: figures, text and tables, in light or dark as the reader prefers; it loads nothing. */

import { FONT } from './axes.js'
import { escaped } from './markup.js'
import { DARK, LIGHT, type Theme } from './theme.js'

export interface Section {
  /** None for a section that goes on with the one before. */
  readonly heading?: string
  readonly parts: readonly Part[]
}

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  /** The SVG must be made by `renderSvg`, each with a name of its own on the page. */
  | { readonly kind: 'figure'; readonly svg: string; readonly caption?: string }
  | {
      readonly kind: 'table'
      readonly head: readonly string[]
      readonly rows: readonly (readonly string[])[]
    }

/** The whole document. All texts are escaped here; only SVG is taken as it is. */
export function page(title: string, sections: readonly Section[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${sections.map(section).join('\n')}
</main>
</body>
</html>
`
}

function section({ heading, parts }: Section): string {
  const title = heading === undefined ? '' : `<h2>${escaped(heading)}</h2>\n`
  return `<section>\n${title}${parts.map(part).join('\n')}\n</section>`
}

function part(given: Part): string {
  if (given.kind === 'text') return `<p>${escaped(given.text)}</p>`
  if (given.kind === 'table') return table(given.head, given.rows)
  const caption = given.caption === undefined ? '' : `<figcaption>${escaped(given.caption)}</figcaption>\n`
  return `<figure>\n${given.svg}${caption}</figure>`
}

/** Columns whose every cell begins with a digit or a sign are set to the right, as numbers are. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const isNumber = head.map((_, column) =>
    rows.every(row => /^([-+−≤≥<>]? ?\d|[–—-]?$)/.test(row[column] ?? '')),
  )
  const cells = (tag: 'th' | 'td', row: readonly string[]) =>
    head
      .map(
        (_, column) =>
          `<${tag}${isNumber[column] ? ' class="n"' : ''}>${escaped(row[column] ?? '')}</${tag}>`,
      )
      .join('')
  const body = rows.map(row => `<tr>${cells('td', row)}</tr>`).join('\n')
  return `<div class="table"><table>\n<thead><tr>${cells('th', head)}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table></div>`
}

function variables({ ground, ink, softInk, gridline }: Theme): string {
  return `--ground:${ground};--ink:${ink};--soft:${softInk};--line:${gridline}`
}

const STYLE = `
:root{${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${variables(DARK)}}}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 ${FONT}}
main{max-width:832px;margin:0 auto;padding:24px 16px 64px;box-sizing:border-box}
h1{font-size:26px;line-height:1.25;margin:8px 0 16px}
h2{font-size:19px;margin:44px 0 8px;padding-top:12px;border-top:1px solid var(--line)}
p{margin:8px 0 12px;max-width:68ch}
figure{margin:20px 0 28px}
figure svg{display:block;width:100%;height:auto}
figcaption{color:var(--soft);font-size:13px;margin:2px 16px}
.table{overflow-x:auto;margin:12px 0 24px}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px 5px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}
.n{text-align:right}
@media print{section{break-inside:avoid-page}}
`
