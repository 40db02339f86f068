/** Patterns of keys: `*` stands for any bytes, `?` for one; a backslash takes the next one as it is. */

/** The pattern, to be tested against bytes as latin1 text. */
export function globPattern(glob: string): RegExp {
  let source = ''
  for (let at = 0; at < glob.length; at++) {
    let character = glob[at]!
    if (character === '*') source += '[^]*'
    // One character, not one byte, of UTF-8.
    else if (character === '?') source += '(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]*|[\\x80-\\xbf])'
    else {
      if (character === '\\' && at + 1 < glob.length) character = glob[++at]!
      const point = String.fromCodePoint(glob.codePointAt(at) ?? 0)
      at += point.length - 1
      source += Buffer.from(point, 'utf8')
        .toString('latin1')
        .replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    }
  }
  return new RegExp(`^${source}$`)
}
