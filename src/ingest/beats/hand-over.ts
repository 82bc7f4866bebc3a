import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import type { Deliver, InputContext, Settled } from '../../core/contracts.ts'
import type { Event } from '../../core/event.ts'
import { unlessAborted } from '../../core/waiting.ts'
import type { EventMaker, Refusal } from './event.ts'
import { type DataFrame, OVERSIZED_KEPT_BYTES } from './frames.ts'

/**
 * A larger window is handed on in several batches, so that it is never decoded as a whole. So few are through the filters
 * and printed before V8's young generation is full: what outlives it costs a copy and a mark, and stays until a full round.
 * Large events are fewer, so that one batch takes as long as another and nobody waits longer beside a sender of those.
 */
const BATCH_EVENTS_MAX = 256
const BATCH_BYTES_MAX = 384 * 1024

/**
 * Makes the events of a window, batch by batch, and hands them on; what can not become an event goes to the dead
 * letters. Resolves when the last batch was taken, with what will become of the whole.
 * `isWanted` false: the client is gone and will send the window again, so no further batch is made.
 * @throws the reason of `abandon`; what dead letters that can not be written throw
 */
export async function handOver(
  pieces: AsyncIterable<readonly DataFrame[]>,
  maker: EventMaker,
  context: InputContext,
  deliver: Deliver,
  abandon: AbortSignal,
  isWanted: () => boolean,
): Promise<{ readonly settled: Promise<Settled> }> {
  const settlings: Promise<Settled>[] = []
  for await (const frames of pieces) {
    let next = 0
    while (next < frames.length && isWanted()) {
      const events: Event[] = []
      const refused: Promise<void>[] = []
      let size_bytes = 0
      for (const end = Math.min(next + BATCH_EVENTS_MAX, frames.length); next < end && size_bytes < BATCH_BYTES_MAX; next++) {
        const frame = frames[next]
        if (frame === undefined) continue
        size_bytes += frame.size_bytes
        const refusal = maker.make(frame, events)
        if (refusal !== undefined) refused.push(refuse(frame, refusal, maker, context))
      }
      if (refused.length > 0) await unlessAborted(Promise.all(refused), abandon)
      if (events.length > 0) {
        const { settled } = await unlessAborted(deliver(events), abandon)
        settlings.push(settled)
      }
      // Timers, acks of other connections and the outputs come between two batches.
      await nextTurnOfTheLoop()
    }
    if (!isWanted()) break
  }
  return { settled: settleTogether(settlings) }
}

async function settleTogether(settlings: readonly Promise<Settled>[]): Promise<Settled> {
  const outcomes = await Promise.all(settlings)
  return outcomes.includes('abandoned') ? 'abandoned' : 'stored'
}

function refuse(frame: DataFrame, refusal: Refusal, maker: EventMaker, context: InputContext): Promise<void> {
  const { source, start, end } = frame.body
  // A copy, for the window's memory is freed when it was handed over.
  const raw = Buffer.from(source.subarray(start, Math.min(end, start + OVERSIZED_KEPT_BYTES)))
  const { origin } = maker
  context.log.warn(
    'beats_event_refused',
    `${origin.describe()}: ${refusal} (${frame.size_bytes} bytes): to the dead letters, the rest of its window goes on`,
  )
  return context.deadLetter(raw, refusal, origin, frame.size_bytes)
}
