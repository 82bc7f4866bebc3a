import type { Metric as PromMetric } from 'prom-client'
import type { MetricType, Sample } from './family.ts'

/** Of the exposition format that `printFamilies` prints. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** What is printed under one metric name. */
export interface PrintedFamily {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  samples(): readonly Sample[]
}

/** Families in Prometheus' text format 0.0.4. */
export async function printFamilies(families: Iterable<PrintedFamily>): Promise<string> {
  // Loaded when first scraped: it is 60 to 120 ms of the second we have to be listening.
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  const texts: string[] = []
  for (const family of families) {
    const { name, help, type } = family
    const values = family.samples()
    if (values.length === 0) continue
    // The registry asks a metric for nothing but get(); its map of names is left out, for it is no match for `constructor`.
    const metric = { get: () => Promise.resolve({ name, help, type, values }) } as unknown as PromMetric
    texts.push(addTimestamps(await printerOf(registry).getMetricsAsString(metric), values))
  }
  return `${texts.join('\n\n')}\n`
}

/** The times of samples that are not of now: prom-client prints none. Before its line for each sample it prints two about all. */
function addTimestamps(text: string, values: readonly Sample[]): string {
  if (values.every(({ timestamp_ms }) => timestamp_ms === undefined)) return text
  const [help, type, ...lines] = text.split('\n')
  const timed = lines.map((line, index) => {
    const timestamp_ms = values[index]?.timestamp_ms
    return timestamp_ms === undefined ? line : `${line} ${timestamp_ms}`
  })
  return [help, type, ...timed].join('\n')
}

/** What prom-client's registry can do and its types do not tell. */
function printerOf(registry: unknown): { getMetricsAsString(metric: PromMetric): Promise<string> } {
  return registry as { getMetricsAsString(metric: PromMetric): Promise<string> }
}
