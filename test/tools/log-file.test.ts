import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { lastMessage, logSize } from '../../tools/local/log-file.js'
import { tempFolder } from './temp-folder.js'

const info = (msg: string) => `${JSON.stringify({ level: 30, msg })}\n`
const error = (msg: string) => `${JSON.stringify({ level: 50, msg })}\n`

test('The last error counts, and what was written before the start does not', t => {
  const file = join(tempFolder(t), 'x.log')
  t.is(logSize(file), 0)
  t.is(lastMessage(file, 0), undefined)
  writeFileSync(file, error('an old one'))
  const from = logSize(file)
  t.is(lastMessage(file, from), undefined)
  appendFileSync(file, info('opening') + error('damaged at index 7') + info('ending'))
  t.is(lastMessage(file, from), 'damaged at index 7')
})

test('Where nothing speaks of an error there is none to tell of', t => {
  const file = join(tempFolder(t), 'x.log')
  writeFileSync(file, info('opening') + info('serving'))
  t.is(lastMessage(file, 0), undefined)
})

test('Of an uncaught error it is the message, not the stack trace around it', t => {
  const file = join(tempFolder(t), 'x.log')
  const trace = [
    'file:///app/main.js:1',
    'boom()',
    '^',
    '',
    'TypeError: boom is not a function',
    '    at file:///app/main.js:1:1 {',
    "  code: 'ERR_X',",
    "  url: 'file:///app/y.js'",
    '}',
    '',
    'Node.js v20.19.0',
    '',
  ]
  writeFileSync(file, info('opening') + trace.join('\n'))
  t.is(lastMessage(file, 0), 'TypeError: boom is not a function')
})
