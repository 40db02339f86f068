#!/usr/bin/env node
import { main } from './program.js'

// A reader that has seen enough (`varve scan | head`) is not an error.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit()
  throw error
})

const exitCode = await main(process.argv)
// A connection that is slow to close must not keep the command; what was printed is out once the callback runs.
process.stdout.write('', () => process.exit(exitCode))
