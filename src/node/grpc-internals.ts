/**
 * Two things that grpc-js 1.14 gives its server no way to do, done through parts of it that are not documented. Where
 * a later version has moved them, nothing fails: the windows stay small, and a stream that nobody reads waits for
 * its client to go.
 */
import { constants, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Server } from '@grpc/grpc-js'

/**
 * Sets how many bytes a stream, and a connection, may have in flight towards the server. The default of 64 KiB
 * holds two records of 33 kB: the sender then waits for the receiver's next turn after every two.
 * Call before the server is bound.
 */
export function widenWindows(server: Server, streamBytes: number, connectionBytes: number): void {
  const internals = server as unknown as { createHttp2Server?: (...args: unknown[]) => Http2Server }
  const create = internals.createHttp2Server
  if (typeof create !== 'function') return
  internals.createHttp2Server = (...args) => {
    const http2 = create.apply(server, args)
    http2.updateSettings({ initialWindowSize: streamBytes })
    http2.on('session', (session: ServerHttp2Session) => session.setLocalWindowSize(connectionBytes))
    return http2
  }
}

/** Cuts a call's stream, whatever waits in it: an orderly end would wait for its client to read. */
export function resetStream(call: object): void {
  const { stream } = (call as { call?: { stream?: ServerHttp2Stream } }).call ?? {}
  if (typeof stream?.close === 'function') stream.close(constants.NGHTTP2_CANCEL)
}
