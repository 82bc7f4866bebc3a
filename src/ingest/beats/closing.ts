/** Why a connection ended: the closed list behind the label `reason` of `millrace_beats_connections_closed_total`. */
export const CLOSE_REASONS = [
  'client_closed',
  'client_gone_mid_window',
  'connection_error',
  'idle',
  'stopped',
  'abandoned',
  'too_many_connections',
  'too_slow',
  'tls_handshake_failed',
  'client_name_refused',
  'not_lumberjack',
  'unknown_frame_type',
  'frame_too_large',
  'window_too_large',
  'too_many_fields',
  'frame_outside_window',
  'corrupt_compression',
  'inflated_too_large',
  'nested_too_deep',
  'failed',
] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]

/** The stream of a connection cannot be understood any further. Never leaves this folder: it closes the connection. */
export class FrameError extends Error {
  readonly reason: CloseReason

  constructor(reason: CloseReason, message: string) {
    super(message)
    this.name = 'FrameError'
    this.reason = reason
  }
}

/** What a stream that is not Lumberjack looks like, and what to do; from its first bytes, as many as there are. */
export function describeStrangers(first: Buffer): string {
  const bytes = `it starts with ${first.subarray(0, 8).toString('hex')}`
  const text = first.toString('latin1')
  if (first[0] === 0x16 && (first.length < 2 || first[1] === 0x03)) {
    return `${bytes}, looks like TLS: is ssl enabled on the other side only? Set ssl_enabled here or take ssl.* out of Filebeat's output.logstash`
  }
  if (/^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|CONNECT|PATCH|PRI) /.test(text)) {
    return `${bytes}, looks like HTTP: a health check or an output.elasticsearch pointed at this port? Beats need output.logstash`
  }
  if (text.startsWith('PROXY ') || text.startsWith('\r\n\r\n\0')) {
    return `${bytes}, looks like the PROXY protocol: switch it off for this port in the load balancer`
  }
  if (text.startsWith('SSH-')) return `${bytes}, looks like SSH: the port is a wrong one`
  if (/^[{[<]/.test(text)) return `${bytes}, looks like plain JSON or syslog lines: this port speaks Lumberjack only`
  return `${bytes}: expected the protocol version "1" or "2"; only Beats and other Lumberjack clients can send to this port`
}
