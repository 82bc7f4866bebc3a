import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 50

export interface WaitOptions {
  readonly timeout_ms: number
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
  options: WaitOptions,
): Promise<Exclude<T, false | undefined>> {
  const deadline = Date.now() + options.timeout_ms
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
      throw new Error(`${what} did not happen within ${options.timeout_ms} ms\n${details}`, { cause })
    }
    await delay(POLL_MS, undefined, options.signal === undefined ? {} : { signal: options.signal })
  }
}
