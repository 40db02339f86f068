#!/usr/bin/env node
import { main } from './program.js'

// A reader that has seen enough (`varve scan | head`) is not an error. A terminal that is gone (EIO) sends a signal as
// well, and what that signal ends is to end in order.
process.stdout.on('error', error => {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EPIPE') process.exit()
  if (code !== 'EIO') throw error
})
// Without stderr there is nobody to tell.
process.stderr.on('error', () => {})

const exitCode = await main(process.argv)
// A connection that is slow to close must not keep the command; what was printed is out once the callback runs.
process.stdout.write('', () => process.exit(exitCode))
