import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 50
/** Only what never comes takes so long: a busy machine may take its time. Less than the time limit of a test. */
const TIMEOUT_MS = 60_000

export interface WaitOptions {
  /** Default: a minute. */
  readonly timeout_ms?: number
  readonly signal?: AbortSignal
  /** What the failure says beside the time that ran out, such as the last lines of a log. */
  readonly details?: () => string | Promise<string>
}

/**
 * Resolves with the first answer that is neither false nor undefined; a condition that throws counts as not yet true.
 * @throws Error `<what> did not happen within … ms`, with the last failure as its cause
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false | undefined>> {
  const { timeout_ms = TIMEOUT_MS } = options
  const deadline = Date.now() + timeout_ms
  let cause: unknown
  for (;;) {
    options.signal?.throwIfAborted()
    try {
      const answer = await condition()
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (Date.now() >= deadline) {
      const details = (await options.details?.()) ?? ''
      throw new Error(`${what} did not happen within ${timeout_ms} ms\n${details}`, { cause })
    }
    await delay(POLL_MS, undefined, options.signal === undefined ? {} : { signal: options.signal })
  }
}
