/** What a load balancer tells of the connection behind it. */
export interface ProxyHeader {
  readonly client_ip: string
  readonly client_port: string
  readonly proxy_ip: string
  readonly proxy_port: string
}

/** The longest line that the protocol allows, with its end. */
const HEADER_BYTES_MAX = 107

/**
 * Finds the first line of the PROXY protocol, version 1, at the beginning of a stream:
 *
 *     PROXY TCP4 client_ip proxy_ip client_port proxy_port\r\n
 *     PROXY UNKNOWN …\r\n
 *
 * @returns the header and what comes behind it; `undefined` while the line is not complete
 * @throws Error where this is no such line
 */
export function takeProxyHeader(bytes: Buffer): { readonly header: ProxyHeader | undefined; readonly rest: Buffer } | undefined {
  const end = bytes.subarray(0, HEADER_BYTES_MAX).indexOf('\r\n')
  if (end < 0) {
    if (bytes.length >= HEADER_BYTES_MAX || !'PROXY '.startsWith(bytes.toString('latin1', 0, 6))) throw notProxy(bytes)
    return undefined
  }
  const line = bytes.toString('latin1', 0, end)
  const rest = bytes.subarray(end + 2)
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { header: undefined, rest }
  const found = /^PROXY TCP[46] ([\da-fA-F.:]+) ([\da-fA-F.:]+) (\d{1,5}) (\d{1,5})$/.exec(line)
  if (found === null) throw notProxy(bytes)
  const [, client_ip = '', proxy_ip = '', client_port = '', proxy_port = ''] = found
  return { header: { client_ip, client_port, proxy_ip, proxy_port }, rest }
}

function notProxy(bytes: Buffer): Error {
  const start = JSON.stringify(bytes.toString('latin1', 0, 20))
  return new Error(
    `expected a line of the PROXY protocol version 1 first, got ${start}: switch it on in the load balancer, or proxy_protocol off here`,
  )
}
