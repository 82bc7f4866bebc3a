/** Node's timers know no longer time: one that is set to more fires at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1

/** As `setTimeout`, but what is longer than a timer can be is as long as one can. */
export function startTimer(action: () => void, after_ms: number): NodeJS.Timeout {
  return setTimeout(action, Math.min(after_ms, TIMER_MAX_MS))
}

/** What a promise gives, or the signal's reason as soon as that aborts. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborting, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborting])
  } finally {
    // A listener that stayed would keep what it holds for as long as the signal lives.
    signal.removeEventListener('abort', abort)
  }
}

/** Resolves when the signal aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
