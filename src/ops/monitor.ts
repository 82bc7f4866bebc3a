import type { Exposition } from '../telemetry/metrics.ts'
import type { ComponentStatus, Status, StatusSource, Totals } from './status.ts'

/** The counter whose sum is "errors", where the pipeline derives it. */
const ERRORS_METRIC = 'exchange_log_errors_total'

const SAMPLE_MS = 1000
/** Rates are means over so many samples: steady enough to read, quick enough to see a stop. */
const RATE_SAMPLES = 5
/** The chart shows an hour. */
const MINUTES = 60
const MINUTE_MS = 60_000

/** What the live page and the status line show: the status, and what only several snapshots can tell. */
export interface View extends Omit<Status, 'inputs' | 'outputs'> {
  /** Events a second that reached us, as a mean of the last seconds. */
  readonly received_per_s: number
  readonly stored_per_s: number
  /** What `errors_total` and the chart count: a metric's name or `dead letters and failures`. */
  readonly errors_source: string
  /** The last hour, oldest first: the start of each minute since 1970, and the errors in it. The last one goes on. */
  readonly errors_per_minute: readonly (readonly [minute_ms: number, errors: number])[]
  readonly inputs: readonly ComponentView[]
  readonly outputs: readonly ComponentView[]
  readonly reasons_not_ready: readonly string[]
}

interface ComponentView extends ComponentStatus {
  readonly per_s: number
}

interface Sample {
  readonly at_ms: number
  readonly totals: Totals
  /** All counts of a component by its id. */
  readonly done: ReadonlyMap<string, number>
}

/** Looks at the pipeline once a second until `signal` aborts, and keeps what the page needs of the past. */
export class StatusMonitor {
  readonly #source: StatusSource
  readonly #metrics: Exposition
  readonly #now: () => number
  readonly #listeners = new Set<(view: View) => void>()
  readonly #samples: Sample[] = []
  readonly #minutes = new Map<number, number>()
  #errors: { readonly source: string; readonly total: number }
  #view: View

  /** `now`: milliseconds since 1970. */
  constructor(source: StatusSource, metrics: Exposition, signal: AbortSignal, now: () => number = Date.now) {
    this.#source = source
    this.#metrics = metrics
    this.#now = now
    this.#errors = this.#readErrors(source.status())
    this.#view = this.#look()
    const timer = setInterval(() => this.sample(), SAMPLE_MS)
    // Watching is no reason for the process to stay.
    timer.unref()
    signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  }

  get view(): View {
    return this.#view
  }

  get reasonsNotReady(): readonly string[] {
    return this.#source.reasonsNotReady()
  }

  /** Calls `listener` with every new view until the returned function is called. */
  subscribe(listener: (view: View) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Looks now: also for the last status line, when all is done. */
  sample(): void {
    this.#view = this.#look()
    for (const listener of this.#listeners) listener(this.#view)
  }

  #look(): View {
    const status = this.#source.status()
    const sample: Sample = {
      at_ms: this.#now(),
      totals: status.totals,
      done: new Map([...status.inputs, ...status.outputs].map((component) => [component.id, sumOf(component.counts)])),
    }
    this.#samples.push(sample)
    if (this.#samples.length > RATE_SAMPLES + 1) this.#samples.shift()
    this.#countErrors(status, sample.at_ms)
    const rate = (read: (of: Sample) => number): number => this.#rate(read)
    const addRate = (component: ComponentStatus): ComponentView => ({
      ...component,
      per_s: rate((of) => of.done.get(component.id) ?? 0),
    })
    return {
      ...status,
      received_per_s: rate(({ totals }) => totals.received),
      stored_per_s: rate(({ totals }) => totals.states.stored),
      errors_total: this.#errors.total,
      errors_source: this.#errors.source,
      errors_per_minute: this.#lastMinutes(sample.at_ms),
      inputs: status.inputs.map(addRate),
      outputs: status.outputs.map(addRate),
      reasons_not_ready: this.#source.reasonsNotReady(),
    }
  }

  #rate(read: (of: Sample) => number): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at_ms <= first.at_ms) return 0
    return Math.max(0, ((read(last) - read(first)) * 1000) / (last.at_ms - first.at_ms))
  }

  #readErrors(status: Status): { source: string; total: number } {
    const derived = this.#metrics.derivedTotal(ERRORS_METRIC)
    if (derived !== undefined) return { source: ERRORS_METRIC, total: derived }
    return { source: 'dead letters and failures', total: status.errors_total }
  }

  #countErrors(status: Status, at_ms: number): void {
    const errors = this.#readErrors(status)
    // A counter that appears with a reload counts from there; its history is not this minute's.
    const added = errors.source === this.#errors.source ? Math.max(0, errors.total - this.#errors.total) : 0
    this.#errors = errors
    const minute_ms = minuteOf(at_ms)
    this.#minutes.set(minute_ms, (this.#minutes.get(minute_ms) ?? 0) + added)
    for (const known of this.#minutes.keys()) if (known <= minute_ms - MINUTES * MINUTE_MS) this.#minutes.delete(known)
  }

  #lastMinutes(at_ms: number): (readonly [number, number])[] {
    const first_ms = minuteOf(at_ms) - (MINUTES - 1) * MINUTE_MS
    return Array.from({ length: MINUTES }, (_, index) => {
      const minute_ms = first_ms + index * MINUTE_MS
      return [minute_ms, this.#minutes.get(minute_ms) ?? 0]
    })
  }
}

function minuteOf(at_ms: number): number {
  return Math.floor(at_ms / MINUTE_MS) * MINUTE_MS
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
