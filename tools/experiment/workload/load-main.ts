/** The load's process: makes the load of one run and leaves its history in a file. */

import { serveRequests } from '../../worker/worker.js'
import { Load } from './load.js'
import type { LoadProcessEvent, LoadRequest, StopMessage } from './load-protocol.js'

const stopping = new AbortController()
let load: Load | undefined

async function handle(request: LoadRequest, emit: (event: LoadProcessEvent) => void): Promise<unknown> {
  if (request.kind === 'prepare') {
    load = await Load.prepare(request, stopping.signal)
    return undefined
  }
  if (load === undefined) throw new Error('not prepared')
  return load.run(emit)
}

function onTold(message: StopMessage): void {
  if (message.kind === 'stop') stopping.abort()
}

serveRequests(handle, onTold)
