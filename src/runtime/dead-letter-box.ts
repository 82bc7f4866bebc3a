import { setTimeout as wait } from 'node:timers/promises'
import { Backoff } from '../core/backoff.ts'
import type { Log, Metrics } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Event, Origin } from '../core/event.ts'
import { Timestamp } from '../core/values.ts'
import { type DeadLetter, DeadLetters, deadLettersFolder, documentOf } from '../storage/dead-letters.ts'

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 10_000

/** What is known of a dead letter before it is put into the box. */
export type Entry = Omit<DeadLetter, 'pipeline' | 'time'>

/** The dead letter of an event. */
export function entryOfEvent(event: Event, component: string, reason: string, plugin_type?: string, document?: string): Entry {
  const { origin } = event
  const from = { origin: origin?.describe(), stable_id: event.stableId(), replays: origin?.replays }
  return { component, plugin_type, reason, ...from, content: contentOf(event, document) }
}

/** Whatever is wrong with an event, it gets into the box. */
function contentOf(event: Event, document: string | undefined): DeadLetter['content'] {
  try {
    return documentOf(event, document)
  } catch (thrown) {
    return { kind: 'raw', raw: Buffer.from(`cannot be printed: ${messageOf(thrown)}`), size_bytes: event.size_bytes }
  }
}

/** The dead letter of bytes that became no event. */
export function entryOfRaw(
  raw: Buffer,
  component: string,
  reason: string,
  origin: Origin | undefined,
  size_bytes: number,
): Entry {
  return {
    component,
    reason,
    origin: origin?.describe(),
    stable_id: origin?.stableId(),
    replays: origin?.replays,
    content: { kind: 'raw', raw, size_bytes },
  }
}

/** The program's dead letters: waits as long as it takes to keep one, so that none is ever lost. */
export class DeadLetterBox implements AsyncDisposable {
  readonly #letters: DeadLetters
  readonly #log: Log
  readonly #metrics: Metrics

  private constructor(letters: DeadLetters, metrics: Metrics, log: Log) {
    this.#letters = letters
    this.#metrics = metrics
    this.#log = log
    metrics.gauge('millrace_dead_letters_bytes', 'Size of the dead letters on disk.', {}, () => letters.size_bytes)
  }

  static async open(data: string, metrics: Metrics, log: Log): Promise<DeadLetterBox> {
    const letters = await DeadLetters.open(deadLettersFolder(data))
    if (letters.repair !== undefined) {
      const { path, cut_bytes } = letters.repair
      log.warn(
        'dead_letters_repaired',
        `${path}: the last ${cut_bytes} bytes were half written when the program ended, and were cut off`,
      )
    }
    return new DeadLetterBox(letters, metrics, log)
  }

  /** Resolves with true once all entries are fsynced, with false when `abandon` aborts before. Never rejects. */
  async keep(pipeline: string, entries: readonly Entry[], abandon: AbortSignal): Promise<boolean> {
    const time = new Timestamp(Date.now())
    const letters = entries.map((entry) => ({ ...entry, time, pipeline }))
    const backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
    while (!abandon.aborted) {
      try {
        await this.#letters.append(letters)
        this.#metrics
          .counter('millrace_dead_letters_total', 'Events kept among the dead letters.', { pipeline })
          .inc(letters.length)
        return true
      } catch (thrown) {
        this.#log.error('dead_letters_unwritable', `dead letters cannot be written, so their senders wait: ${messageOf(thrown)}`)
        await wait(backoff.next(), undefined, { signal: abandon }).catch(() => {})
      }
    }
    return false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#letters[Symbol.asyncDispose]()
  }
}
