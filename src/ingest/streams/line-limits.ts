import * as option from '../../core/options/options.ts'

/** Options of inputs that read lines from connections: what they do about lines that do not end. */
export const LINE_LIMITS = {
  max_pending_bytes: option.bytes(
    'Ours. What unfinished lines of all connections may take together: then the connection with the largest is closed. One that is alone may be larger. Default: a sixteenth of `max_in_flight_bytes`, over all inputs.',
    { min: 1 },
  ),
  unfinished_line_timeout: option.number(
    'Ours. Seconds after which a client is hung up on that began a line and brought neither its end nor a kilobyte of it; 0 for never, as in Logstash, for what it sends then is lost: programs that write blocks stop in the middle of a line.',
    { default: 0, min: 0 },
  ),
}

/** Times of the options in the form of the server's settings. */
export function streamTimes(options: { readonly client_inactivity_timeout: number; readonly unfinished_line_timeout: number }): {
  readonly inactivity_ms: number
  readonly unfinished_line_ms: number
} {
  return {
    inactivity_ms: options.client_inactivity_timeout * 1000,
    unfinished_line_ms: options.unfinished_line_timeout * 1000,
  }
}
