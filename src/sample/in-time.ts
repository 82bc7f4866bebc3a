import { setTimeout as delay } from 'node:timers/promises'
import type { TimedLine } from './exchange-log.ts'

/** Often enough to look steady, seldom enough to cost nothing. */
const TICK_MS = 50
/** As many lines as a pipeline's batch usually has. */
const BATCH_LINES = 2_048

interface Pace {
  /** Of the first line. */
  readonly start_ms: number
  readonly count: number
  /** Whether lines wait until their time has come; else they are handed on as fast as they are taken. */
  readonly is_timed: boolean
}

/** Hands on the first `count` lines in batches, until `stop` aborts. Who is slow in taking them gets the missed ones at once. */
export async function* linesInTime(
  lines: Iterator<TimedLine>,
  { start_ms, count, is_timed }: Pace,
  stop: AbortSignal,
): AsyncGenerator<TimedLine[], void, void> {
  const started_ms = performance.now()
  let next = lines.next()
  for (let given = 0; given < count && !stop.aborted; ) {
    const due_ms = is_timed ? start_ms + performance.now() - started_ms + TICK_MS : Infinity
    const batch: TimedLine[] = []
    while (next.done !== true && given < count && batch.length < BATCH_LINES && next.value.time_ms <= due_ms) {
      batch.push(next.value)
      given++
      next = lines.next()
    }
    if (batch.length > 0) yield batch
    // The loop looks at `stop` itself.
    if (is_timed && batch.length < BATCH_LINES && given < count) await delay(TICK_MS, undefined, { signal: stop }).catch(() => {})
    if (next.done === true) return
  }
}
