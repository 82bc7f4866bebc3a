import { setTimeout as wait } from 'node:timers/promises'
import { Backoff } from '../core/backoff.ts'
import type { Counter, Log, Metrics } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Event, Origin } from '../core/event.ts'
import type { PipelineSettings } from '../core/plan.ts'
import { withoutSecrets } from '../core/secret.ts'
import { Timestamp } from '../core/values.ts'
import { type DeadLetter, DeadLetters, deadLettersFolder, documentOf, type StoragePolicy } from '../storage/dead-letters.ts'

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 10_000
/** How often it is looked whether letters were sent again or are too old. */
const SWEEP_MS = 60_000

/** What is known of a dead letter before it is put into the box. */
export type Entry = Omit<DeadLetter, 'pipeline' | 'time'>

/** An event that can never be stored. */
export interface Rejected {
  readonly event: Event
  readonly reason: string
  /** Where the event's fields were let go. */
  readonly document?: string | undefined
  /** Where it was to go. */
  readonly target?: string | undefined
}

/** The dead letter of an event. */
export function entryOfEvent(event: Event, component: string, reason: string, plugin_type?: string, document?: string): Entry {
  const { origin } = event
  const from = { origin: origin?.describe(), stable_id: event.lastingId(), replays: origin?.replays }
  return { component, plugin_type, reason: withoutSecrets(reason), ...from, content: contentOf(event, document) }
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
    reason: withoutSecrets(reason),
    origin: origin?.describe(),
    stable_id: origin?.stableId(),
    replays: origin?.replays,
    content: { kind: 'raw', raw, size_bytes },
  }
}

/** What bounds the dead letters of the program. */
export interface DeadLetterLimits {
  readonly max_bytes?: number
  readonly retain_age_ms?: number | undefined
  /** By the id of the pipeline; `block` for others. */
  readonly policies?: ReadonlyMap<string, StoragePolicy>
}

/**
 * What several pipelines say of the folder that they share: the largest limit and the longest age hold, for no pipeline loses
 * letters sooner than it says. What happens at the limit is each pipeline's own.
 */
export function limitsOf(settings: readonly PipelineSettings[]): DeadLetterLimits {
  const ages = settings.map(({ dead_letter_queue_retain_age }) => dead_letter_queue_retain_age ?? Number.POSITIVE_INFINITY)
  const longest = Math.max(...ages)
  return {
    max_bytes: Math.max(...settings.map(({ dead_letter_queue_max_bytes }) => dead_letter_queue_max_bytes)),
    retain_age_ms: Number.isFinite(longest) ? longest : undefined,
    policies: new Map(settings.map((one) => [one.id, one.dead_letter_queue_storage_policy])),
  }
}

const DROPPED = {
  newer: 'dead letters were dropped, for there is no room for them (dead_letter_queue.storage_policy drop_newer)',
  older: 'of the oldest dead letters were dropped to make room (dead_letter_queue.storage_policy drop_older)',
  age: 'dead letters were dropped, for they were older than dead_letter_queue.retain.age',
} as const

/** The program's dead letters: waits as long as it takes to keep one, so that none is ever lost. */
export class DeadLetterBox implements AsyncDisposable {
  readonly #letters: DeadLetters
  readonly #log: Log
  readonly #metrics: Metrics
  #policies: ReadonlyMap<string, StoragePolicy>
  readonly #sweeping: NodeJS.Timeout

  private constructor(letters: DeadLetters, metrics: Metrics, log: Log, policies: ReadonlyMap<string, StoragePolicy>) {
    this.#letters = letters
    this.#policies = policies
    this.#sweeping = setInterval(() => void this.sweep(), SWEEP_MS)
    this.#sweeping.unref()
    this.#metrics = metrics
    this.#log = log
    metrics.gauge('millrace_dead_letters_bytes', 'Size of the dead letters on disk.', {}, () => letters.size_bytes)
    metrics.gauge('millrace_dead_letters_max_bytes', 'Their limit.', {}, () => letters.max_bytes)
    metrics.gauge(
      'millrace_dead_letters_oldest_age_seconds',
      'Age of the oldest dead letter that waits, as of the last minute; 0 without any.',
      {},
      () => (letters.oldest_ms === undefined ? 0 : Math.max(0, (Date.now() - letters.oldest_ms) / 1000)),
    )
  }

  static async open(data: string, metrics: Metrics, log: Log, limits: DeadLetterLimits = {}): Promise<DeadLetterBox> {
    const { max_bytes, retain_age_ms, policies = new Map<string, StoragePolicy>() } = limits
    const letters = await DeadLetters.open(deadLettersFolder(data), {
      max_bytes,
      retain_age_ms,
      dropped: (count, why) => {
        metrics.counter('millrace_dead_letters_dropped_total', 'Dead letters that are lost, by why.', { why }).inc(count)
        log.error(`dead_letters_dropped_${why}`, `${count} ${DROPPED[why]}`)
      },
    })
    if (letters.repair !== undefined) {
      const { path, cut_bytes } = letters.repair
      log.warn(
        'dead_letters_repaired',
        `${path}: the last ${cut_bytes} bytes were half written when the program ended, and were cut off`,
      )
    }
    return new DeadLetterBox(letters, metrics, log, policies)
  }

  /** What bounds them from now on: a config that was read again may say something else. */
  limit({ policies = new Map(), ...limits }: DeadLetterLimits): void {
    this.#policies = policies
    this.#letters.limit(limits)
  }

  /** Lets go what was sent again or is too old. Never rejects. */
  async sweep(): Promise<void> {
    try {
      await this.#letters.sweep()
    } catch (thrown) {
      this.#log.warn('dead_letters_sweep', `dead letters that are done cannot be removed: ${messageOf(thrown)}`)
    }
  }

  /** Resolves with true once all entries are fsynced (or dropped, where the policy says so), with false when `abandon` aborts before. Never rejects. */
  async keep(pipeline: string, entries: readonly Entry[], abandon: AbortSignal): Promise<boolean> {
    const time = new Timestamp(Date.now())
    const letters = entries.map((entry) => ({ ...entry, time, pipeline }))
    const backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
    while (!abandon.aborted) {
      try {
        if (await this.#letters.append(letters, this.#policies.get(pipeline))) {
          for (const { component } of letters) this.#kept(pipeline, component).inc()
        }
        return true
      } catch (thrown) {
        this.#log.error('dead_letters_unwritable', `dead letters cannot be written, so their senders wait: ${messageOf(thrown)}`)
        await wait(backoff.next(), undefined, { signal: abandon }).catch(() => {})
      }
    }
    return false
  }

  #kept(pipeline: string, component: string): Counter {
    // Where the component stands in the config is no part of its name.
    const labels = { pipeline, component: component.replace(/ \(.*\)$/, '') }
    return this.#metrics.counter('millrace_dead_letters_total', 'Events kept among the dead letters, by what gave up.', labels)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeping)
    await this.#letters[Symbol.asyncDispose]()
  }
}
