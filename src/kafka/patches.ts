import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

/** The part of kafkajs' request queue (src/network/requestQueue) that is replaced. */
interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
}

/** The part of kafkajs' connection (src/network/connection) that is used. */
interface Connection {
  readonly socket?: Socket
  readonly requestQueue: {
    /** What every request may take, in milliseconds; some may take longer. */
    readonly requestTimeout: number
    readonly inflight: ReadonlyMap<number, { readonly requestTimeout: number }>
  }
  /** What there is of an answer that has not come as a whole. */
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  readonly connectionTimeout: number
  isConnected(): boolean
  connect: (this: Connection) => Promise<unknown>
  send: (this: Connection, request: unknown) => Promise<unknown>
  /** What waits for an answer fails. */
  rejectRequests(error: Error): void
  disconnect(): Promise<unknown>
}

/** After its own time-out a connection is taken down, and then whoever waits is told. */
const SETTLING_MS = 1_000
/** Of the length in front of each answer. */
const LENGTH_BYTES = 4
/** How often kafkajs itself looks again when requests wait without being throttled. */
const CHECK_PENDING_MS = 10

let is_patched = false

/**
 * Mends kafkajs 2.2.4, once for the process; to be called before the first connection.
 *
 * Its request queue arms a timer for `throttledUntil - now` milliseconds whenever it has sent or received something.
 * `throttledUntil` is -1 unless a broker throttles, so the delay is hugely negative, Node makes 1 ms of it (and warns
 * once: TimeoutNegativeWarning), and each check arms the next one: about 810 timers a second and 4 % of a core for each
 * idle connection, for ever (tulios/kafkajs#1751). The replacement arms a timer only while a request waits.
 *
 * A request that is not answered in time fails, but its connection stays in use: where the other end is silent for good, each
 * attempt waits for the whole `request_timeout_ms` again, and reading stands still for minutes. Now that connection is given up, as
 * Kafka's own client does, and the next attempt makes another. Not while an earlier request on it, to join the group, may still take
 * minutes: a broker answers in order, so what was sent behind that says nothing about the connection.
 *
 * A connection that breaks in the middle of an answer keeps the first half of it, and reads what comes over the next socket as the
 * other half: a RangeError out of a socket's listener. Two requests that find it closed make a socket each. And where the other end
 * hangs up before a connection is made, whoever waits for it may wait for ever.
 */
export function patchKafkajs(): void {
  if (is_patched) return
  is_patched = true
  const require = createRequire(import.meta.url)
  const queue = require('kafkajs/src/network/requestQueue') as { readonly prototype: { scheduleCheckPendingRequests(): void } }
  queue.prototype.scheduleCheckPendingRequests = scheduleCheckPendingRequests
  const { prototype: connection } = require('kafkajs/src/network/connection') as { readonly prototype: Connection }
  connection.send = giveUpWhenSilent(connection.send)
  const { KafkaJSConnectionError } = require('kafkajs/src/errors') as { readonly KafkaJSConnectionError: ErrorConstructor }
  connection.connect = connectAnew(connection.connect, () => new KafkaJSConnectionError('the connection ended while it was made'))
}

function scheduleCheckPendingRequests(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return
  const throttled_ms = this.throttledUntil - Date.now()
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null
      this.checkPendingRequests()
    },
    throttled_ms > 0 ? throttled_ms : CHECK_PENDING_MS,
  )
}

function giveUpWhenSilent(send: Connection['send']): Connection['send'] {
  return async function (request) {
    const { socket } = this
    try {
      return await send.call(this, request)
    } catch (thrown) {
      const is_silent = thrown instanceof Error && thrown.name === 'KafkaJSRequestTimeoutError' && !waitsLonger(this)
      // By now there may be another, which is not to blame.
      if (is_silent && socket !== undefined && this.socket === socket && !socket.destroyed) {
        this.rejectRequests(thrown)
        socket.destroy()
        await this.disconnect()
      }
      throw thrown
    }
  }
}

function waitsLonger({ requestQueue }: Connection): boolean {
  return [...requestQueue.inflight.values()].some(({ requestTimeout }) => requestTimeout > requestQueue.requestTimeout)
}

function connectAnew(connect: Connection['connect'], failure: () => Error): Connection['connect'] {
  const connecting = new WeakMap<Connection, Promise<unknown>>()
  return function () {
    const under_way = connecting.get(this)
    if (under_way !== undefined) return under_way
    if (!this.isConnected()) {
      this.chunks = []
      this.bytesBuffered = 0
      this.bytesNeeded = LENGTH_BYTES
    }
    const { promise: overdue, reject } = Promise.withResolvers<never>()
    // Later than its own time-out, which tells more.
    const timer = setTimeout(() => reject(failure()), this.connectionTimeout + SETTLING_MS)
    const connected = Promise.race([connect.call(this), overdue]).finally(() => {
      clearTimeout(timer)
      connecting.delete(this)
    })
    connecting.set(this, connected)
    return connected
  }
}
