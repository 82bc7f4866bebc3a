import { createRequire } from 'node:module'

/** The part of kafkajs' request queue (src/network/requestQueue) that is replaced. */
interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly throttledUntil: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  checkPendingRequests(): void
}

/** How often kafkajs itself looks again when requests wait without being throttled. */
const CHECK_PENDING_MS = 10

/**
 * Mends kafkajs 2.2.4, once for the process; to be called before the first connection.
 *
 * Its request queue arms a timer for `throttledUntil - now` milliseconds whenever it has sent or received something.
 * `throttledUntil` is -1 unless a broker throttles, so the delay is hugely negative, Node makes 1 ms of it (and warns
 * once: TimeoutNegativeWarning), and each check arms the next one: about 810 timers a second and 4 % of a core for each
 * idle connection, for ever (tulios/kafkajs#1751). The replacement arms a timer only while a request waits.
 */
export function patchKafkajs(): void {
  const require = createRequire(import.meta.url)
  const queue = require('kafkajs/src/network/requestQueue') as { readonly prototype: { scheduleCheckPendingRequests(): void } }
  queue.prototype.scheduleCheckPendingRequests = scheduleCheckPendingRequests
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
