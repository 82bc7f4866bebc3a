import { defineFilter } from '../core/component.ts'
import { type Counter, countsAsSeen, type DerivedMetric } from '../core/context.ts'
import type { Step } from '../core/contracts.ts'
import { MillraceError } from '../core/errors.ts'
import type { Event, Settlement } from '../core/event.ts'
import type { FieldRef } from '../core/field-ref.ts'
import * as option from '../core/options/options.ts'
import { compileTemplate, type Template } from '../core/template.ts'
import { copyOf } from '../core/text-copy.ts'
import { measuredNumber } from './measured-number.ts'
import { isResolved } from './resolved-text.ts'

const TYPES = ['counter', 'gauge', 'histogram', 'summary'] as const
const OPERATIONS = ['inc', 'add', 'set'] as const
type Operation = (typeof OPERATIONS)[number]

/** In seconds, from Prometheus' client libraries. */
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** A summary's slices are counted in 32 bits: a day of them is far from full. */
const MAX_AGE_S_MAX = 86_400
const SUMMARY_AGE_S = 600

const UNRESOLVED = 'unknown'

const METRIC_OPTIONS = {
  type: option.oneOf('What kind of metric it is; `counter` only grows, `summary` keeps quantiles.', TYPES, { required: true }),
  name: option.string('Name of the metric at /metrics, such as `exchange_log_errors_total`.', { required: true }),
  help: option.string('What the metric counts, for the people who read it at /metrics.'),
  value: option.fieldRef('Field that holds the number to add, set or observe. Text that is a number is taken too.'),
  scale: option.number('What the value is multiplied by: 0.001 makes seconds of milliseconds.', { default: 1 }),
  op: option.oneOf(
    'What an event does: `inc` adds 1, `add` adds the value, `set` replaces it (gauges only). Default: `inc` without a value; with one, `add` for counters and `set` for gauges.',
    OPERATIONS,
  ),
  labels: option.hash('Label names and their values, which take %{field}. A field that is missing gives `unknown`.'),
  optional_labels: option.list('Those of the `labels` that are left out, instead of `unknown`, when their field is missing.'),
  buckets: option.numbers("Upper bounds of a histogram's buckets, ascending; +Inf is always there besides.", {
    default: BUCKETS_S,
  }),
  quantiles: option.numbers('Quantiles of a summary, from 0 to 1, each with a relative error of 1 %.', {
    default: [0.5, 0.9, 0.99],
  }),
  max_age_s: option.number(
    'Over how many of the last seconds a summary has its quantiles: 600 by default. A gauge that no event has changed for so long is gone until the next one; by default it stays.',
    { min: 1, max: MAX_AGE_S_MAX },
  ),
  max_label_sets: option.integer('How many label sets are kept apart; further ones are counted together under `__other__`.', {
    default: 1000,
    min: 1,
  }),
}

type MetricOptions = option.OptionValues<typeof METRIC_OPTIONS>

/** Done once, when the event has its final state. */
type Apply = (state: Settlement) => void

export const metric = defineFilter({
  name: 'metric',
  summary: 'Derives a Prometheus metric from events: a counter, gauge, histogram or summary at /metrics.',
  description: `
The event itself does not change. What it contributes is taken where the filter stands and counted once, when the
event has its final state or is safe on our disk, whatever becomes of it: what is dropped further on, or refused by an
output, counts too. Only a repeat that is there already (after a crash, found by its id in Elasticsearch) counts nothing.

Several filters may feed one metric when they define it alike. An event whose \`value\` is missing, is not a number or
would make a counter shrink is not counted; \`millrace_metric_values_skipped_total\` counts it instead. Label values are
cut after 200 characters, and \`millrace_metric_label_sets_folded_total\` counts what went to \`__other__\`.

What has no labels is 0 before its first event, so that \`rate()\` sees that one too; but for a gauge, which is not there until an
event says what it is.

A gauge that is \`set\` holds what its newest event said, whoever said it: where several hosts each tell of their own (a pool of
connections, a queue), they take turns in one series, and an alert on it neither holds nor ends. Give such a gauge a label of the host,
and queries go on as before with one series for each. \`optional_labels\` leaves the label out where an event names no host.
With \`max_age_s\` a host that was taken away does not keep its last value, and an alert on it, until the program restarts.
What is one thing for all of them, whichever host tells it, has no such label.
`.trim(),
  options: METRIC_OPTIONS,
  examples: [
    {
      title: 'Errors of each service',
      options: { type: 'counter', name: 'exchange_log_errors_total', labels: { service: '%{service}' } },
      before: { level: 'error', service: 'exchange-api' },
      after: { level: 'error', service: 'exchange-api' },
    },
    {
      title: 'A histogram in seconds of durations in milliseconds',
      options: {
        type: 'histogram',
        name: 'exchange_request_duration_seconds',
        value: 'duration',
        scale: 0.001,
        labels: { endpoint: '%{endpoint}' },
        buckets: [0.01, 0.1, 1, 10],
      },
      before: { endpoint: '/api/orders', duration: 1240 },
      after: { endpoint: '/api/orders', duration: 1240 },
    },
    {
      title: 'The last known depth of a queue',
      options: { type: 'gauge', name: 'exchange_queue_depth', value: '[queue][depth]' },
      before: { queue: { depth: 17 } },
      after: { queue: { depth: 17 } },
    },
    {
      title: 'The queue of each host',
      options: {
        type: 'gauge',
        name: 'exchange_queue_depth',
        value: '[queue][depth]',
        labels: { host: '%{[host][name]}' },
        optional_labels: ['host'],
        max_age_s: 600,
      },
      before: { host: { name: 'api-01' }, queue: { depth: 17 } },
      after: { host: { name: 'api-01' }, queue: { depth: 17 } },
    },
  ],
  compile(options, context): Step {
    const operation = operationOf(options)
    const labels = compileLabels(options)
    const derived = context.metrics.derived({
      type: options.type,
      name: options.name,
      help: options.help ?? 'Derived from events by the metric filter.',
      label_names: labels.map(({ name }) => name),
      buckets: options.type === 'histogram' ? options.buckets : [],
      quantiles: options.type === 'summary' ? options.quantiles : [],
      max_age_s: maxAgeOf(options),
      max_label_sets: options.max_label_sets,
    })
    const labelsOf = labelReader(labels, options.max_label_sets, derived)
    if (options.value === undefined) {
      return (event) => {
        event.whenSettled(labelsOf(event).increment)
        context.matched(event)
      }
    }
    const skipped = context.metrics.counter(
      'millrace_metric_values_skipped_total',
      'Events that a metric filter did not count because their value was missing, no number or a negative step of a counter.',
      { metric: options.name },
    )
    return valueStep(options, options.value, operation, labelsOf, derived, skipped, (event) => context.matched(event))
  },
})

/** Seconds; 0 where nothing grows old. */
function maxAgeOf({ type, max_age_s }: MetricOptions): number {
  if (type === 'summary') return max_age_s ?? SUMMARY_AGE_S
  return type === 'gauge' ? (max_age_s ?? 0) : 0
}

/** The operation that is meant, or why there is none. */
function operationOf({ type, op, value }: MetricOptions): Operation {
  const refuse = (message: string): never => {
    throw new MillraceError('METRIC_INVALID', message)
  }
  if (type === 'histogram' || type === 'summary') {
    if (op !== undefined) refuse(`a ${type} observes values: leave out op`)
    if (value === undefined) refuse(`a ${type} needs the option value: the field that holds the number to observe`)
    return 'add'
  }
  const operation = op ?? (value === undefined ? 'inc' : type === 'gauge' ? 'set' : 'add')
  if (type === 'counter' && operation === 'set') refuse('a counter only grows: use op inc or add, or type gauge')
  if (operation === 'inc' && value !== undefined) refuse('op inc adds 1 and takes no value: use op add to add the value')
  if (operation !== 'inc' && value === undefined)
    refuse(`op ${operation} needs the option value: the field that holds the number`)
  return operation
}

interface Label {
  readonly name: string
  readonly template: Template
  /** What stands for a missing field. */
  readonly missing: string
}

/** In the order of their names, so that two filters that list them differently mean one metric. */
function compileLabels({ labels = [], optional_labels = [] }: MetricOptions): Label[] {
  const stray = optional_labels.find((wanted) => !labels.some(({ name }) => name === wanted))
  if (stray !== undefined) throw new MillraceError('METRIC_INVALID', `optional_labels: ${stray} is none of the labels`)
  return labels
    .map(({ name, value }) => {
      const text = option.readText(value, ({ message }) => {
        throw new MillraceError('METRIC_INVALID', `label ${name}: ${message}`)
      })
      return { name, template: compileTemplate(text ?? ''), missing: optional_labels.includes(name) ? '' : UNRESOLVED }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The label values of one label set, and the finished action of the commonest metric, a counter of events. */
interface LabelSet {
  readonly values: readonly string[]
  readonly increment: Apply
}

/** Sets longer than this are not remembered: the memory is for the few that come again and again. */
const REMEMBERED_LENGTH_MAX = 500

/** Formats an event's labels. What a label set needs is made once, for up to `remembered_max` of them. */
function labelReader(labels: readonly Label[], remembered_max: number, derived: DerivedMetric): (event: Event) => LabelSet {
  const createSet = (texts: readonly string[]): LabelSet => {
    const values = texts.map((text, index) => labelText(text, labels[index]))
    const increment: Apply = (state) => {
      if (countsAsSeen(state)) derived.record(values, 1)
    }
    return { values, increment }
  }
  const [first, second] = labels
  if (first === undefined) {
    const none = createSet([])
    return () => none
  }
  const remembered = new Map<string, LabelSet>()
  const create = (key: string, texts: readonly string[]): LabelSet => {
    if (remembered.size >= remembered_max || key.length > REMEMBERED_LENGTH_MAX) return createSet(texts)
    const set = createSet(texts.map(copyOf))
    remembered.set(copyOf(key), set)
    return set
  }
  if (second === undefined) {
    return (event) => {
      const text = first.template.format(event)
      return remembered.get(text) ?? create(text, [text])
    }
  }
  return (event) => {
    const texts = labels.map(({ template }) => template.format(event))
    // Each text with its length in front, so that different sets never give the same key.
    let key = ''
    for (const text of texts) key += `${text.length}:${text}`
    return remembered.get(key) ?? create(key, texts)
  }
}

/** A label whose placeholder still stands in its text has no value; for Prometheus an empty one has none either. */
function labelText(text: string, label: Label | undefined): string {
  if (label === undefined) return UNRESOLVED
  return isResolved(text, label.template) ? text : label.missing
}

function valueStep(
  { type, scale }: MetricOptions,
  field: FieldRef,
  operation: Operation,
  labelsOf: (event: Event) => LabelSet,
  derived: DerivedMetric,
  skipped: Counter,
  matched: (event: Event) => void,
): Step {
  const scaled = scaleBy(scale)
  return (event) => {
    const value = scaled(measuredNumber(event.get(field)))
    if (!Number.isFinite(value) || (type === 'counter' && value < 0)) {
      skipped.inc()
      return
    }
    const { values } = labelsOf(event)
    if (operation === 'set') {
      const event_time_ms = event.timestamp?.epoch_ms ?? -Infinity
      event.whenSettled((state) => {
        if (countsAsSeen(state)) derived.set(values, value, event_time_ms)
      })
    } else {
      event.whenSettled((state) => {
        if (countsAsSeen(state)) derived.record(values, value)
      })
    }
    matched(event)
  }
}

/** 50 ms are 0.05 s and lie in the bucket up to there: times 0.001 a number is rounded twice, divided by 1000 it is once. */
function scaleBy(scale: number): (value: number) => number {
  const divisor = Math.round(1 / scale)
  return divisor > 1 && 1 / divisor === scale ? (value) => value / divisor : (value) => value * scale
}
