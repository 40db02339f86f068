/** Pages of figures, texts and tables. */
import test from 'ava'
import { page } from '../../tools/figures/page.js'

test('a page loads nothing, and texts on it are no markup', t => {
  const text = page('a < b', [
    {
      heading: 'x & y',
      parts: [
        { kind: 'text', text: '<script>' },
        { kind: 'figure', svg: '<svg></svg>', caption: '"quoted"' },
        { kind: 'table', head: ['<th>'], rows: [['<td>']] },
      ],
    },
  ])
  t.true(text.includes('<title>a &lt; b</title>'))
  t.true(text.includes('<h2>x &amp; y</h2>'))
  t.true(text.includes('&lt;script&gt;') && !text.includes('<script>'))
  t.true(text.includes('&lt;td&gt;') && text.includes('&quot;quoted&quot;') && text.includes('<svg></svg>'))
  t.notRegex(text, /(?:src|href)=|url\(|@import/)
})

test('columns of numbers are set to the right, with or without units, and columns of words are not', t => {
  const text = page('t', [
    {
      parts: [
        {
          kind: 'table',
          head: ['run', 'rate', 'p99'],
          rows: [
            ['weak', '1,200/s', '3 ms'],
            ['3x', '≥ 5', '–'],
          ],
        },
      ],
    },
  ])
  t.true(text.includes('<th>run</th><th class="n">rate</th><th class="n">p99</th>'))
})
