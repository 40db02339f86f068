/** One connection to each process that the client talks to, shared by its session, its scans and its watches. */
import { Channel, type ChannelOptions, credentials } from '@grpc/grpc-js'
import { ClusterClient } from '../generated/varve/v1/cluster.js'
import { KvClient } from '../generated/varve/v1/kv.js'
import { TimeTravelClient } from '../generated/varve/v1/time_travel.js'
import { VarveError } from './errors.js'

// One entry may have a megabyte, and a page or an answer frame may pass its target size by one entry.
const MESSAGE_SIZE_BYTES_MAX = 64 * 1_048_576

const channelOptions: ChannelOptions = {
  // Keepalive is off by default: a process that is cut off would never be noticed.
  'grpc.keepalive_time_ms': 3_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.keepalive_permit_without_calls': 1,
  // The default grows to 120 s: far longer than a restart takes.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Our own repeats carry the request's sequence; gRPC's would not count as repeats.
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.service_config_disable_resolution': 1,
  // Two clients in one process share nothing, so that closing one leaves the other alone.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_send_message_length': MESSAGE_SIZE_BYTES_MAX,
  'grpc.max_receive_message_length': MESSAGE_SIZE_BYTES_MAX,
  // The default window of 64 KiB holds two answers of a busy session.
  'grpc-node.flow_control_window': 4 * 1_048_576,
}

/** The services of one process, over one connection. */
export interface Peer {
  readonly address: string
  readonly kv: KvClient
  readonly cluster: ClusterClient
  readonly timeTravel: TimeTravelClient
}

/** Throws INVALID_ARGUMENT unless `address` is host:port. */
export function checkAddress(address: unknown, what: string): asserts address is string {
  const match =
    typeof address === 'string' ? /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\],]+):(\d{1,5})$/.exec(address) : null
  const port = Number(match?.[2])
  if (match !== null && port >= 1 && port <= 65_535) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${what} is ${JSON.stringify(address)}, expected host:port, for example 127.0.0.1:5000`,
  )
}

export class Channels {
  readonly #peers = new Map<string, Peer>()
  readonly #channels = new Map<string, Channel>()

  /** Connects on first use. */
  peer(address: string): Peer {
    const known = this.#peers.get(address)
    if (known !== undefined) return known
    const insecure = credentials.createInsecure()
    const channel = new Channel(address, insecure, channelOptions)
    const options = { channelOverride: channel }
    const peer: Peer = {
      address,
      kv: new KvClient(address, insecure, options),
      cluster: new ClusterClient(address, insecure, options),
      timeTravel: new TimeTravelClient(address, insecure, options),
    }
    this.#channels.set(address, channel)
    this.#peers.set(address, peer)
    return peer
  }

  /** Cuts the connections to all whom `keep` does not name. */
  prune(keep: (address: string) => boolean): void {
    for (const [address, channel] of this.#channels) {
      if (keep(address)) continue
      channel.close()
      this.#channels.delete(address)
      this.#peers.delete(address)
    }
  }

  close(): void {
    this.prune(() => false)
  }
}
