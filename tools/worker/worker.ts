/**
 * A worker's own side: one request at a time comes over the channel of `fork`, is carried out, and answered. The
 * worker ends when its parent does.
 */

import { errorLine } from '../exit-codes.js'

/** What a worker hears: requests, one at a time, and what wants no answer, at any time. */
export type ParentMessage =
  | { readonly kind: 'ask'; readonly request: unknown }
  | { readonly kind: 'tell'; readonly message: unknown }

/** What a worker says. `event`s are about the request under way; `done` or `failed` ends it. */
export type WorkerMessage =
  | { readonly kind: 'event'; readonly event: unknown }
  | { readonly kind: 'done'; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly message: string }

/** Carries out a request. `emit` tells the parent something before the answer. */
export type Handler = (request: never, emit: (event: unknown) => void) => Promise<unknown>

/** Serves requests until the parent is gone. `onTold` hears what wants no answer, also while a request is under way. */
export function serveRequests(handle: Handler, onTold: (message: never) => void = () => {}): void {
  const send = (message: WorkerMessage) => process.send?.(message)
  process.on('message', (heard: ParentMessage) => {
    if (heard.kind === 'tell') return onTold(heard.message as never)
    handle(heard.request as never, event => send({ kind: 'event', event })).then(
      answer => send({ kind: 'done', answer }),
      error => send({ kind: 'failed', message: errorLine(error) }),
    )
  })
  process.on('disconnect', () => process.exit())
  // A Ctrl-C in the terminal reaches this process as well; the parent decides.
  process.on('SIGINT', () => {})
}
