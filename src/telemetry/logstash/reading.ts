import type { Labels } from '../../core/context.ts'
import type { Sample } from '../family.ts'
import type { PrintedFamily } from '../print.ts'

/** The samples of the program's own metrics, by name. */
export class Reading {
  readonly #families: ReadonlyMap<string, PrintedFamily>
  readonly #samples = new Map<string, readonly Sample[]>()

  constructor(own: readonly PrintedFamily[]) {
    this.#families = new Map(own.map((family) => [family.name, family]))
  }

  has(name: string): boolean {
    return this.#families.has(name)
  }

  /** Those with all of these labels. `part`: of a histogram, `sum` or `count`. */
  find(name: string, labels: Labels = {}, part?: 'sum' | 'count'): { readonly labels: Labels; readonly value: number }[] {
    const printed = part === undefined ? undefined : `${name}_${part}`
    return this.#samplesOf(name).flatMap(({ metricName, labels: own, sharedLabels, value }) => {
      const all = { ...own, ...sharedLabels }
      const fits = metricName === printed && Object.entries(labels).every(([label, text]) => all[label] === text)
      return fits ? [{ labels: all, value }] : []
    })
  }

  sum(name: string, labels: Labels = {}, part?: 'sum' | 'count'): number {
    return this.find(name, labels, part).reduce((total, { value }) => total + value, 0)
  }

  /** The values that a label has. */
  valuesOf(name: string, label: string): string[] {
    return [...new Set(this.find(name).flatMap(({ labels }) => labels[label] ?? []))]
  }

  #samplesOf(name: string): readonly Sample[] {
    const known = this.#samples.get(name)
    if (known !== undefined) return known
    const samples = this.#families.get(name)?.samples() ?? []
    this.#samples.set(name, samples)
    return samples
  }
}
