import type { Settlement } from './event.ts'
import type { EventBus } from './event-bus.ts'
import type { EcsCompatibility } from './plan.ts'
import type { Spans } from './span.ts'
import type { Timestamp } from './values.ts'

/** What a component is handed by the program. Nothing else of the outside world reaches it. */
export interface Context {
  /** The component's id: from its `id` option, else `filter_mutate_3` by place in the config. */
  readonly id: string
  /** `config/pipeline.json:12:5`, for messages. */
  readonly where: string
  readonly ecs_compatibility: EcsCompatibility
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
  readonly paths: Paths
  readonly addresses: Addresses
  readonly health: Health
  readonly files: Files
  readonly bus: EventBus
  /** Where spans go; `undefined` where nobody wants any. */
  readonly spans: Spans | undefined
}

/**
 * The program's own log. Every call names its `kind`: calls of one kind within an interval (10 s) become one
 * line with a count, so that no call site can flood the log.
 */
export interface Log {
  debug(kind: string, message: string, details?: LogDetails): void
  /** Start, stop, reload. */
  info(kind: string, message: string, details?: LogDetails): void
  /** Odd, but nothing is lost. */
  warn(kind: string, message: string, details?: LogDetails): void
  /** Data is lost, or a person must act. */
  error(kind: string, message: string, details?: LogDetails): void
}

export interface LogDetails {
  readonly [name: string]: string | number | boolean | undefined
}

export interface Labels {
  readonly [name: string]: string
}

export interface Counter {
  inc(by?: number): void
  /** The sum so far. */
  readonly value: number
}

export interface Histogram {
  observe(value: number): void
}

/** Hands out instruments. The same name and labels give the same instrument. Label values are from closed lists, never event data. */
export interface Metrics {
  counter(name: string, help: string, labels?: Labels): Counter
  /** Read when somebody scrapes. Registering the same name and labels again replaces the reader. */
  gauge(name: string, help: string, labels: Labels, read: () => number): void
  histogram(name: string, help: string, buckets: readonly number[], labels?: Labels): Histogram
  /**
   * A metric that users derive from events. One definition may be asked for by several filters; they share it.
   * @throws MillraceError METRIC_CONFLICT when the name stands for another type, label list or bucket list already
   */
  derived(definition: DerivedMetricDefinition): DerivedMetric
}

export interface DerivedMetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  readonly name: string
  readonly help: string
  readonly label_names: readonly string[]
  readonly buckets: readonly number[]
  readonly quantiles: readonly number[]
  readonly max_age_s: number
  /** More label sets than this are folded into one whose values are all `__other__`, and counted. */
  readonly max_label_sets: number
}

export interface DerivedMetric {
  /** Counters and gauges add, histograms and summaries observe. A label whose value is empty is not printed: it is none. */
  record(label_values: readonly string[], value: number): void
  /** Gauges only: of several values the one with the newest event time stays. */
  set(label_values: readonly string[], value: number, event_time_ms: number): void
}

/** Whether what is derived from an event counts, given how the event ended: a replay that was there already does not. */
export function countsAsSeen(state: Settlement): boolean {
  return state !== 'already_there'
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Now, with nanoseconds. */
  timestamp(): Timestamp
}

export interface Paths {
  /** Everything the program keeps is below this folder. */
  readonly data: string
  /** The folder of the config file: relative paths in options start there. */
  readonly config: string
  /** Nothing may be kept: the events are only tried out. */
  readonly dry_run?: boolean
}

/** What a component tells of itself, for the live page and `/readyz`. */
export interface Health {
  /** It cannot do its work: why, for people. Holds until `well`. */
  unwell(reason: string): void
  /** It works, or does again. */
  well(): void
}

/** Where the program listens, for the status line, the live page and tests that ask for port 0. */
export interface Addresses {
  listening(component_id: string, address: string): void
}

/** Files that a component reads once, while it is made. */
export interface Files {
  /** The pipeline is made again when the content of that file changes, where reloading is on; a pattern stands for all that it matches. */
  reads(path: string): void
}
