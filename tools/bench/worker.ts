/**
 * A worker's own side: one request at a time comes over the channel of `fork`, is carried out, and answered. The
 * worker ends when its parent does.
 */

import { errorLine } from '../exit-codes.js'

/** What a worker says. `event`s are about the request under way; `done` or `failed` ends it. */
export type WorkerMessage =
  | { readonly kind: 'event'; readonly event: unknown }
  | { readonly kind: 'done'; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly message: string }

/** Carries out a request. `emit` tells the parent something before the answer. */
export type Handler = (request: never, emit: (event: unknown) => void) => Promise<unknown>

/** Serves requests until the parent is gone. */
export function serveRequests(handle: Handler): void {
  const send = (message: WorkerMessage) => process.send?.(message)
  process.on('message', request => {
    handle(request as never, event => send({ kind: 'event', event })).then(
      answer => send({ kind: 'done', answer }),
      error => send({ kind: 'failed', message: errorLine(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
  // A Ctrl-C in the terminal reaches this process as well; the parent decides.
  process.on('SIGINT', () => {})
}
