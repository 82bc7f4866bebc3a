import { setTimeout as wait } from 'node:timers/promises'
import type { CompiledInput } from '../compile/pipeline.ts'
import { Backoff } from '../core/backoff.ts'
import type { Health, Log } from '../core/context.ts'
import type { Deliver } from '../core/contracts.ts'
import { MillraceError, messageOf } from '../core/errors.ts'

/** How long an input that failed while running rests before it is started again. */
const RESTART_FIRST_MS = 1_000
const RESTART_MAX_MS = 30_000
/** After so long without a failure the next one is a first one. */
const SOUND_MS = 60_000

/**
 * Runs an input, again and again where it fails, until `stop` aborts. True when it came to its end.
 * @throws MillraceError INPUT_CANNOT_START
 */
export async function runInput(
  input: Pick<CompiledInput, 'id' | 'where' | 'source'>,
  deliver: Deliver,
  stop: AbortSignal,
  abandon: AbortSignal,
  { log, health }: { readonly log: Log; readonly health: Health },
): Promise<boolean> {
  const backoff = new Backoff(RESTART_FIRST_MS, RESTART_MAX_MS)
  while (!stop.aborted) {
    const started = performance.now()
    try {
      await input.source.run(deliver, stop, abandon)
      return true
    } catch (thrown) {
      if (thrown instanceof MillraceError && thrown.code === 'INPUT_CANNOT_START') throw thrown
      if (stop.aborted) return false
      if (performance.now() - started > SOUND_MS) backoff.reset()
      const wait_ms = backoff.next()
      health.unwell(`it failed: ${messageOf(thrown)}`)
      log.error('input_failed', `${input.id} (${input.where}) stopped: ${messageOf(thrown)}. It is started again`, { wait_ms })
      await wait(wait_ms, undefined, { signal: stop }).catch(() => {})
      health.well()
    }
  }
  return false
}
