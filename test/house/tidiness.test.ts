/** Keeps the house tidy: no leftovers, no endless lines, no files that hold too many ideas. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A file that one can read in one sitting. The bound leaves room for a file's docstrings. */
const LINES_MAX = 420
const LINE_LENGTH_MAX = 130

const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\0')
  .filter(file => file !== '')

const code = tracked.filter(file => /^(src|tools|test)\/.*\.ts$/.test(file))

function read(file: string): string {
  try {
    return readFileSync(join(ROOT, file), 'utf8')
  } catch {
    // Removed, but not from the index yet.
    return ''
  }
}

test('no file is too long to be read in one sitting', t => {
  const long = code
    .filter(file => file.startsWith('src/') || file.startsWith('tools/'))
    .map(file => ({ file, lines: read(file).split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
  t.deepEqual(long, [])
})

test('no line of code is too long', t => {
  const long = code.flatMap(file =>
    read(file)
      .split('\n')
      .map((line, at) => ({ at: `${file}:${at + 1}`, length: line.length }))
      .filter(({ length }) => length > LINE_LENGTH_MAX),
  )
  t.deepEqual(long, [])
})

test('no leftovers of debugging and no deferred work are in the code', t => {
  const leftover = new RegExp(
    [
      'TO' + 'DO',
      'FIX' + 'ME',
      'XX' + 'X\\b',
      'debug' + 'ger;',
      'test\\.on' + 'ly\\(',
      'test\\.sk' + 'ip\\(',
    ].join('|'),
  )
  t.deepEqual(
    code.filter(file => leftover.test(read(file))),
    [],
  )
})

test('the lock file names no download address', t => {
  t.false(read('package-lock.json').includes('"resolved"'))
})

test('every document that a document links to exists', t => {
  const documents = tracked.filter(file => file.endsWith('.md'))
  const missing = documents.flatMap(file =>
    [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)]
      .map(match => join(file, '..', match[1]!))
      .filter(
        target =>
          read(target) === '' && !tracked.some(each => each.startsWith(`${target.replace(/\/$/, '')}/`)),
      )
      .map(target => `${file} links to ${target}`),
  )
  t.deepEqual(missing, [])
})
