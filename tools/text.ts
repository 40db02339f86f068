/** Bytes, numbers and times as people read them. Nothing here prints. */

import { isUtf8 } from 'node:buffer'

/** Characters that would move the cursor or speak to the terminal, and the backslash that starts an escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\\]/g

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\\': '\\\\',
}

/**
 * Bytes as one line of text: UTF-8 as it is, control characters and bytes that are not UTF-8 as `\n`, `\t`,
 * `\xHH`. A backslash is doubled only where something else had to be escaped, so ordinary text stays as typed.
 */
export function printable(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!isUtf8(buffer)) return escapeBytes(buffer)
  const text = buffer.toString('utf8')
  return text.search(UNPRINTABLE) === -1 || onlyBackslashes(text)
    ? text
    : text.replace(UNPRINTABLE, escapeCharacter)
}

/** A value as it is printed alone: UTF-8 with its line breaks and tabs, everything else escaped. */
export function printableLines(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!isUtf8(buffer)) return escapeBytes(buffer)
  return buffer
    .toString('utf8')
    .replace(UNPRINTABLE, found => ('\n\t\\'.includes(found) ? found : escapeCharacter(found)))
}

/**
 * The fields that carry bytes in JSON: `{[name]: text}` for UTF-8; else the text is escaped and
 * `{[name]Base64}` holds the bytes themselves.
 */
export function jsonBytes(name: string, bytes: Uint8Array): Record<string, string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isUtf8(buffer)) return { [name]: buffer.toString('utf8') }
  return { [name]: escapeBytes(buffer), [`${name}Base64`]: buffer.toString('base64') }
}

/** Cuts a text to so many characters, with a mark where something is missing. */
export function shorten(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, Math.max(1, lengthMax - 1))}…`
}

/** 1234567 as `1,234,567`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** `1 replica`, `3 replicas`; the plural is given where an s does not make it. */
export function plural(value: number, noun: string, nouns = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : nouns}`
}

/** Bytes as `512 B`, `4.0 kB`, `25 MB` (steps of 1,000). */
export function byteSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** Milliseconds as `0.42 ms`, `12 ms`, `3.1 s`, `4m 10s`, `3h 5m`, `2d 4h`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 1_440) return `${Math.floor(minutes / 60)}h ${minutes % 60}m`
  return `${Math.floor(minutes / 1_440)}d ${Math.floor((minutes % 1_440) / 60)}h`
}

/** Wall time (epoch ms) as RFC 3339 in UTC; empty for 0, which stands for no time. */
export function wallTime(wallMs: number): string {
  return wallMs === 0 ? '' : new Date(wallMs).toISOString()
}

function onlyBackslashes(text: string): boolean {
  return text.replaceAll('\\', '').search(UNPRINTABLE) === -1
}

function escapeCharacter(character: string): string {
  return SHORT_ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/** Bytes that are not UTF-8 as a whole: what is printable ASCII as it is, the rest as `\xHH`. */
function escapeBytes(buffer: Buffer): string {
  return buffer.toString('latin1').replace(/[^\u0020-\u005b\u005d-\u007e]/g, escapeCharacter)
}
