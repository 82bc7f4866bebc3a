import type { Labels } from '../../core/context.ts'
import type { MetricType, Sample } from '../family.ts'
import type { PrintedFamily } from '../print.ts'

/** What is printed, with Logstash's prefix, and the label by which the exporter tells the programs that it asks apart. */
export class Families {
  readonly #families = new Map<string, PrintedFamily & { readonly values: Sample[] }>()
  readonly #hostname: string

  constructor(hostname: string) {
    this.#hostname = hostname
  }

  get all(): PrintedFamily[] {
    return [...this.#families.values()]
  }

  gauge(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.add('gauge', name, help, value, labels)
  }

  counter(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.add('counter', name, help, value, labels)
  }

  /** Nothing where there is no value. `timestamp_ms`: when it was so, printed beside the value. */
  add(type: MetricType, name: string, help: string, value: number | undefined, labels: Labels, timestamp_ms?: number): void {
    if (value === undefined) return
    const full = `logstash_${name}`
    const values = this.#families.get(full)?.values ?? []
    const sample = { labels: { ...labels, hostname: this.#hostname }, value }
    values.push(timestamp_ms === undefined ? sample : { ...sample, timestamp_ms })
    if (values.length === 1) this.#families.set(full, { name: full, help, type, values, samples: () => values })
  }
}
