import type { Counter, DerivedMetric, DerivedMetricDefinition, Labels } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'
import { CounterSlot, type Family, HistogramSlot, type MetricType, type Sample, type SummaryPart } from './family.ts'
import { summarySamples } from './merge.ts'
import { SlidingSummary } from './sliding-summary.ts'

/** The values of the one label set that takes what is over `max_label_sets`. */
const OTHER = '__other__'

/** Label texts come from events: longer ones are cut, so that a thousand label sets stay below a few megabytes. */
const LABEL_LENGTH_MAX = 200

/** How one type of metric keeps, changes and prints what belongs to one label set. */
interface Kind<S> {
  create(): S
  record(slot: S, value: number): void
  set(slot: S, value: number, event_time_ms: number): void
  samples(slot: S, labels: Labels): Sample[]
  summary?(slot: S, labels: Labels): SummaryPart
  /** Whether nobody has said for so long how it stands that it is not printed any more. */
  isOver?(slot: S): boolean
}

/** A metric that users derive from events, and the family it is printed as. */
export interface DerivedFamily extends Family, DerivedMetric {
  readonly definition: DerivedMetricDefinition
  /** The sum over all label sets of a counter; `undefined` for other types. */
  total(): number | undefined
}

/** `folded` counts the recordings that went to `__other__`. */
export function createDerivedFamily(definition: DerivedMetricDefinition, folded: Counter, now: () => number): DerivedFamily {
  const { name, buckets, quantiles } = definition
  const max_age_ms = definition.max_age_s * 1000
  switch (definition.type) {
    case 'counter':
      return new LabelSets(definition, folded, COUNTER, (slot) => slot.value)
    case 'gauge':
      return new LabelSets(definition, folded, gaugeKind(max_age_ms, now))
    case 'histogram':
      return new LabelSets<HistogramSlot>(definition, folded, {
        create: () => new HistogramSlot(buckets),
        record: (slot, value) => slot.observe(value),
        set: () => {},
        samples: (slot, labels) => slot.samples(name, labels),
      })
    case 'summary':
      return new LabelSets<SlidingSummary>(definition, folded, {
        create: () => new SlidingSummary(max_age_ms, now),
        record: (slot, value) => slot.observe(value),
        set: () => {},
        samples: (slot, labels) => summarySamples(name, summaryPart(quantiles, slot, labels)),
        summary: (slot, labels) => summaryPart(quantiles, slot, labels),
      })
  }
}

const COUNTER: Kind<CounterSlot> = {
  create: () => new CounterSlot(),
  record: (slot, value) => slot.inc(value),
  set: () => {},
  samples: (slot, labels) => [{ labels, value: slot.value }],
}

interface GaugeSlot {
  value: number
  /** Of the newest event that has set it. */
  event_time_ms: number | undefined
  /** When it changed last, by our clock. */
  changed_ms: number
}

/** @param max_age_ms how long a gauge stays that nobody changes; 0 for good */
function gaugeKind(max_age_ms: number, now: () => number): Kind<GaugeSlot> {
  const kind: Kind<GaugeSlot> = {
    create: () => ({ value: 0, event_time_ms: undefined, changed_ms: now() }),
    record: (slot, value) => {
      slot.value += value
      slot.changed_ms = now()
    },
    set: (slot, value, event_time_ms) => {
      if (slot.event_time_ms !== undefined && event_time_ms < slot.event_time_ms) return
      slot.value = value
      slot.event_time_ms = event_time_ms
      slot.changed_ms = now()
    },
    samples: ({ value, event_time_ms, changed_ms }, labels) => [
      {
        labels,
        value,
        ...(event_time_ms === undefined ? { is_counted: true } : { event_time_ms }),
        ...(max_age_ms === 0 ? {} : { stays_ms: max_age_ms - (now() - changed_ms) }),
      },
    ],
  }
  return max_age_ms === 0 ? kind : { ...kind, isOver: ({ changed_ms }) => now() - changed_ms > max_age_ms }
}

function summaryPart(quantiles: readonly number[], slot: SlidingSummary, labels: Labels): SummaryPart {
  return { labels, quantiles, sketch: slot.recent().data, sum: slot.sum, count: slot.count }
}

class LabelSets<S> implements DerivedFamily {
  readonly definition: DerivedMetricDefinition
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly #folded: Counter
  readonly #kind: Kind<S>
  readonly #amount: ((slot: S) => number) | undefined
  readonly #slots = new Map<string, { readonly slot: S; readonly labels: Labels }>()
  /** Beside the others, so that `max_label_sets` of them are really the events' own. */
  #other: { readonly slot: S; readonly labels: Labels } | undefined

  constructor(definition: DerivedMetricDefinition, folded: Counter, kind: Kind<S>, amount?: (slot: S) => number) {
    this.definition = definition
    this.name = definition.name
    this.help = definition.help
    this.type = definition.type
    this.#folded = folded
    this.#kind = kind
    this.#amount = amount
    // A counter without labels exists from the start with 0: rate() sees its first step. What a gauge is no event has said yet.
    if (definition.label_names.length === 0 && definition.type !== 'gauge') this.#find([])
  }

  record(label_values: readonly string[], value: number): void {
    this.#kind.record(this.#find(label_values), value)
  }

  set(label_values: readonly string[], value: number, event_time_ms: number): void {
    this.#kind.set(this.#find(label_values), value, event_time_ms)
  }

  total(): number | undefined {
    const amount = this.#amount
    return amount && this.#all().reduce((sum, { slot }) => sum + amount(slot), 0)
  }

  samples(): Sample[] {
    this.#dropOver()
    return this.#all().flatMap(({ slot, labels }) => this.#kind.samples(slot, labels))
  }

  summaries(): SummaryPart[] {
    const kind = this.#kind
    return this.#all().flatMap(({ slot, labels }) => kind.summary?.(slot, labels) ?? [])
  }

  #all(): { readonly slot: S; readonly labels: Labels }[] {
    return this.#other === undefined ? [...this.#slots.values()] : [...this.#slots.values(), this.#other]
  }

  #dropOver(): void {
    const kind = this.#kind
    if (kind.isOver === undefined) return
    for (const [key, { slot }] of this.#slots) if (kind.isOver(slot)) this.#slots.delete(key)
    if (this.#other !== undefined && kind.isOver(this.#other.slot)) this.#other = undefined
  }

  #find(label_values: readonly string[]): S {
    return (this.#slots.get(keyOf(label_values)) ?? this.#add(label_values)).slot
  }

  #add(label_values: readonly string[]): { readonly slot: S; readonly labels: Labels } {
    const { label_names, max_label_sets } = this.definition
    const texts = label_values.map(ownedText)
    const key = keyOf(texts)
    const known = this.#slots.get(key)
    if (known !== undefined) return known
    if (this.#slots.size >= max_label_sets) this.#dropOver()
    if (this.#slots.size >= max_label_sets) {
      this.#folded.inc()
      this.#other ??= this.#create(label_names.map(() => OTHER))
      return this.#other
    }
    const created = this.#create(texts)
    this.#slots.set(key, created)
    return created
  }

  #create(texts: readonly string[]): { readonly slot: S; readonly labels: Labels } {
    const { label_names } = this.definition
    const pairs = label_names.map((name, index) => [name, texts[index] ?? ''] as const)
    return { slot: this.#kind.create(), labels: Object.fromEntries(pairs.filter(([, text]) => text !== '')) }
  }
}

/** One text for a label set, such that different sets never give the same: each but the last has its length in front. */
function keyOf(label_values: readonly string[]): string {
  const last = label_values.length - 1
  let key = ''
  for (let index = 0; index < last; index++) {
    const text = cut(label_values[index] ?? '')
    key += `${text.length}:${text}`
  }
  return key + cut(label_values[last] ?? '')
}

function cut(text: string): string {
  return text.length > LABEL_LENGTH_MAX ? text.slice(0, LABEL_LENGTH_MAX) : text
}

/** A copy, for a slice would keep the whole event's text alive; and without half surrogates, which UTF-8 cannot carry. */
function ownedText(text: string): string {
  return Buffer.from(cut(text)).toString()
}

// Prometheus' data model: https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$/
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,199}$/
/** Names that the program itself prints. */
const OWN_NAMES = /^(?:millrace|process|nodejs|logstash_stats|logstash_info)_/

/** @throws MillraceError METRIC_INVALID for a definition that Prometheus would not take */
export function checkDefinition(definition: DerivedMetricDefinition): void {
  const { name, type, label_names, buckets, quantiles } = definition
  const refuse = (message: string): never => {
    throw new MillraceError('METRIC_INVALID', `metric ${JSON.stringify(name)}: ${message}`)
  }
  if (!METRIC_NAME.test(name) || name.startsWith('__')) {
    refuse('expected a name of letters, digits, _ and : that starts with a letter, at most 200 characters')
  }
  if (OWN_NAMES.test(name))
    refuse(
      "names that start with millrace_, process_, nodejs_, logstash_stats_ or logstash_info_ are the program's own: choose another one",
    )
  const reserved = type === 'histogram' ? 'le' : type === 'summary' ? 'quantile' : undefined
  for (const label of label_names) {
    if (!LABEL_NAME.test(label) || label.startsWith('__')) {
      refuse(`label ${JSON.stringify(label)}: expected letters, digits and _, not beginning with a digit or __`)
    }
    if (label === reserved) refuse(`the label ${label} is what a ${type} prints itself: choose another one`)
    if (label_names.indexOf(label) !== label_names.lastIndexOf(label)) refuse(`the label ${label} is there twice`)
  }
  if (type === 'histogram') {
    if (buckets.length === 0) refuse('a histogram needs at least one bucket')
    if (!buckets.every((bound, index) => Number.isFinite(bound) && bound > (buckets[index - 1] ?? -Infinity))) {
      refuse(`expected ascending buckets, got ${buckets.join(', ')} (+Inf is always there besides)`)
    }
  }
  if (type === 'summary' && !quantiles.every((quantile) => quantile >= 0 && quantile <= 1)) {
    refuse(`expected quantiles from 0 to 1, got ${quantiles.join(', ')}`)
  }
}

/** What of two definitions under one name differs and must not; `undefined` where they can share it. */
export function conflictBetween(present: DerivedMetricDefinition, wanted: DerivedMetricDefinition): string | undefined {
  const parts = ['type', 'label_names', 'buckets', 'quantiles', 'max_age_s', 'max_label_sets'] as const
  const part = parts.find((name) => String(present[name]) !== String(wanted[name]))
  return part && `${part} ${JSON.stringify(present[part])} and ${JSON.stringify(wanted[part])}`
}
