import type { InputContext } from '../../core/contracts.ts'
import { Intake } from '../intake.ts'
import type { StreamConnection, StreamServices } from './connection.ts'
import { UnfinishedLines } from './unfinished-lines.ts'

/** What was received and not handed on, and lines without an end, may each take a sixteenth of the budget for events, on top of it. */
const PART = 16

/**
 * One for the process, for it is the process whose memory is bounded. Two turns: one piece waits for the filters while another one
 * is decoded; more at a time would be no faster, for it is one thread that does it.
 */
const INTAKE = new Intake({ turns: 2, received_bytes_max: 0, patience_ms: 10_000 })
const UNFINISHED = new UnfinishedLines<StreamConnection>(0)

export interface StreamSettings {
  /** For messages and metrics: `tcp`. */
  readonly name: string
  /** What unfinished lines of all connections may take together; then the one with the largest is closed. Default: the process's share. */
  readonly max_pending_bytes: number | undefined
  readonly unfinished_line_ms: number
  /** So long without a byte closes a connection; 0: never. */
  readonly inactivity_ms: number
  readonly proxy_protocol: boolean
}

/** What the connections of an input share while it runs, and the input's share of what the process has. */
export function streamServices(
  { name, max_pending_bytes, unfinished_line_ms, inactivity_ms, proxy_protocol }: StreamSettings,
  { log, max_in_flight_bytes }: Pick<InputContext, 'log' | 'max_in_flight_bytes'>,
  accept: StreamServices['accept'],
): StreamServices & Disposable {
  const share_bytes = max_in_flight_bytes / PART
  const shares = [INTAKE.share(share_bytes), UNFINISHED.share(max_pending_bytes ?? share_bytes)]
  const own = new UnfinishedLines<StreamConnection>(max_pending_bytes ?? Number.POSITIVE_INFINITY)
  return {
    intake: INTAKE,
    unfinished: [own, UNFINISHED],
    proxy_protocol,
    unfinished_line_ms,
    inactivity_ms,
    accept,
    silent: ({ address }) => log.debug(`${name}_silent`, `closed the connection from ${address}: it said nothing for too long`),
    tooSlow: ({ address }, bytes) => {
      const what = `${bytes} bytes and no end of a line in ${unfinished_line_ms / 1_000} s (unfinished_line_timeout)`
      log.warn(`${name}_too_slow`, `closed the connection from ${address}: ${what}`)
    },
    tooLarge: ({ address }) => {
      const limit = max_pending_bytes === undefined ? 'a sixteenth of max_in_flight_bytes' : 'max_pending_bytes'
      log.warn(
        `${name}_pending`,
        `closed the connection from ${address}: it has the largest of the lines without an end, and together they take more than ${limit}`,
      )
    },
    [Symbol.dispose]: () => {
      for (const share of shares) share[Symbol.dispose]()
    },
  }
}
