/** Addresses of processes: `host:port`. */

const HOST_PATTERN = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)$/

/** What an address is, for messages. */
export const ADDRESS_ALLOWED = 'an address is host:port with a port from 1 to 65535, such as 127.0.0.1:5001'

/** Splits `host:port`; undefined where the text is not an address. IPv6 hosts stand in brackets. */
export function splitAddress(address: string): { host: string; port: number } | undefined {
  const colon = address.lastIndexOf(':')
  if (colon < 1) return undefined
  const host = address.slice(0, colon)
  const portText = address.slice(colon + 1)
  if (!HOST_PATTERN.test(host) || !/^[1-9][0-9]{0,4}$/.test(portText)) return undefined
  const port = Number(portText)
  if (port > 65_535) return undefined
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port }
}
