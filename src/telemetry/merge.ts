import { keyOfLabels, type MetricType, type Sample, type SummaryPart } from './family.ts'
import { QuantileSketch } from './sketch.ts'

/** All that stands under one metric name in one thread, as plain data. */
export interface FamilySnapshot {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly samples: readonly Sample[]
  /** Of a summary, instead of samples. */
  readonly summaries?: readonly SummaryPart[]
}

/** Gauges that say how large, late or old something is, where others count: of several threads the largest holds. */
const LARGEST: ReadonlySet<string> = new Set([
  // Of a partition one thread tells, and another that was cut off from the group may keep what it was.
  'kafka_consumer_lag',
  'millrace_component_info',
  'millrace_geoip_database_build_time_seconds',
  'millrace_output_batch_events_max',
  'millrace_pipeline_batch_events',
  'millrace_pipeline_batch_delay_seconds',
  'millrace_elasticsearch_bulk_bytes_max',
  'millrace_queue_oldest_seconds',
  'millrace_queue_blocked_seconds',
  'millrace_oldest_unacknowledged_age_seconds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_eventloop_lag_max_seconds',
])
/** The same, where the smallest holds: what is not so in one thread is not so. */
const SMALLEST: ReadonlySet<string> = new Set([
  'millrace_input_up',
  'millrace_output_up',
  'millrace_certificate_expiry_time_seconds',
])

/**
 * The metrics of several threads as those of one program: counters, histograms and gauges that count add, of a gauge that
 * events set the newest event's value stands, and quantiles are those of all values together.
 */
export function mergeFamilies(threads: readonly (readonly FamilySnapshot[])[]): FamilySnapshot[] {
  const byName = new Map<string, FamilySnapshot[]>()
  for (const family of threads.flat()) {
    const known = byName.get(family.name)
    // Two configs under one name: that lasts as long as a reload is not in all threads.
    if (known === undefined) byName.set(family.name, [family])
    else if (known[0]?.type === family.type) known.push(family)
  }
  return [...byName.values()].map(mergeFamily)
}

/** What of a thread that is gone still counts: not what it held, but what it had counted. */
export function lastingFamilies(families: readonly FamilySnapshot[]): FamilySnapshot[] {
  return families.flatMap((family): FamilySnapshot | [] => {
    const { type, samples, summaries } = family
    if (type !== 'gauge') return { ...family, ...(summaries && { summaries: summaries.map(withoutValues) }) }
    const said_by_events = samples.filter(({ event_time_ms, is_counted }) => event_time_ms !== undefined || is_counted)
    return said_by_events.length === 0 ? [] : { ...family, samples: said_by_events }
  })
}

/** Families whose thread is gone `age_ms` after they were told: without the gauges that have been left alone for too long by now. */
export function agedFamilies(families: readonly FamilySnapshot[], age_ms: number): FamilySnapshot[] {
  return families.map((family) => ({
    ...family,
    samples: family.samples.flatMap((sample): Sample | [] => {
      if (sample.stays_ms === undefined) return sample
      return sample.stays_ms < age_ms ? [] : { ...sample, stays_ms: sample.stays_ms - age_ms }
    }),
  }))
}

/** As `printFamilies` takes it. */
export function samplesOf({ name, samples, summaries }: FamilySnapshot): readonly Sample[] {
  return summaries === undefined ? samples : summaries.flatMap((part) => summarySamples(name, part))
}

/** What a summary prints. */
export function summarySamples(name: string, { labels, quantiles, sketch, sum, count }: SummaryPart): Sample[] {
  const recent = QuantileSketch.from(sketch)
  return [
    ...quantiles.map((quantile) => ({
      labels: { quantile: String(quantile) },
      sharedLabels: labels,
      value: recent.quantile(quantile),
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}

function mergeFamily(parts: readonly FamilySnapshot[]): FamilySnapshot {
  const first = parts[0] as FamilySnapshot
  if (parts.length === 1) return first
  const { name, help, type } = first
  if (type === 'summary') return { name, help, type, samples: [], summaries: mergeSummaries(parts) }
  const merged = new Map<string, Sample>()
  const pick = pickOf(name, type)
  for (const sample of parts.flatMap(({ samples }) => samples)) {
    const key = `${sample.metricName ?? ''} ${keyOfLabels(sample.labels)} ${keyOfLabels(sample.sharedLabels ?? {})}`
    const known = merged.get(key)
    merged.set(key, known === undefined ? sample : pick(known, sample))
  }
  return { name, help, type, samples: [...merged.values()] }
}

function mergeSummaries(parts: readonly FamilySnapshot[]): SummaryPart[] {
  const merged = new Map<string, SummaryPart>()
  for (const part of parts.flatMap(({ summaries = [] }) => summaries)) {
    const key = keyOfLabels(part.labels)
    const known = merged.get(key)
    if (known === undefined) {
      merged.set(key, part)
      continue
    }
    const sketch = QuantileSketch.from(known.sketch)
    sketch.merge(QuantileSketch.from(part.sketch))
    merged.set(key, { ...part, sketch: sketch.data, sum: known.sum + part.sum, count: known.count + part.count })
  }
  return [...merged.values()]
}

function pickOf(name: string, type: MetricType): (a: Sample, b: Sample) => Sample {
  if (LARGEST.has(name)) return largest
  if (SMALLEST.has(name)) return (a, b) => (largest(a, b) === a ? b : a)
  return type === 'gauge' ? newestOrSum : total
}

function total(a: Sample, b: Sample): Sample {
  // A reader that failed says NaN, and must not take the others with it.
  return { ...a, value: Number.isNaN(a.value) ? b.value : a.value + (Number.isNaN(b.value) ? 0 : b.value) }
}

function largest(a: Sample, b: Sample): Sample {
  return b.value > a.value || Number.isNaN(a.value) ? b : a
}

function newestOrSum(a: Sample, b: Sample): Sample {
  if (a.event_time_ms === undefined && b.event_time_ms === undefined) {
    const stays = Math.max(a.stays_ms ?? -Infinity, b.stays_ms ?? -Infinity)
    return { ...total(a, b), ...(stays === -Infinity ? {} : { stays_ms: stays }) }
  }
  return a.event_time_ms === undefined || (b.event_time_ms ?? -Infinity) > a.event_time_ms ? b : a
}

function withoutValues(part: SummaryPart): SummaryPart {
  return { ...part, sketch: new QuantileSketch().data }
}
