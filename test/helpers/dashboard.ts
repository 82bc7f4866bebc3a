import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Series } from './prometheus.ts'

const FOLDER = join(import.meta.dirname, '../../deploy/grafana/dashboards')

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string }[]
}

/** The panels of one of Grafana's dashboards, as its file has them. */
export async function readPanels(name: string): Promise<readonly Panel[]> {
  const file = await readFile(join(FOLDER, `${name}.json`), 'utf8')
  return (JSON.parse(file) as { panels: Panel[] }).panels
}

/** What a panel shows or has to show: the labels that are left, as `keyOf` writes them -> value. */
export type Values = ReadonlyMap<string, number>

export function keyOf(labels: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** The answer to a panel's query, without the labels that say where it was scraped. */
export function valuesOf(series: readonly Series[]): Values {
  return new Map(
    series.map(({ metric: { __name__: _name, instance: _instance, job: _job, ...labels }, value }) => [
      keyOf(labels),
      Number(value?.[1]),
    ]),
  )
}

const DAY_S = 86_400
/** The windows of the panels, and how long ago each ended: so far apart that none sees the samples of another. */
const WINDOWS: { readonly [window: string]: { readonly length_s: number; readonly ago_s: number } } = {
  '1m': { length_s: 60, ago_s: 2 * DAY_S },
  '5m': { length_s: 300, ago_s: 4 * DAY_S },
  '24h': { length_s: DAY_S, ago_s: 6 * DAY_S },
}

/**
 * What /metrics said at two times, as if the first had been scraped at the beginning of each window and the second at its end: so what
 * a panel shows of a window is what changed between the two, and no more depends on how long that took.
 */
export class Backfill {
  /** For Prometheus: OpenMetrics' text format. */
  readonly history: string
  readonly #now_s = Math.floor(Date.now() / 1_000)

  /** @param labels of where the samples come from, such as `job="millrace"` */
  constructor(texts: readonly [before: string, after: string], labels = '') {
    const rows = Object.entries(WINDOWS).flatMap(([window, { length_s }]) =>
      texts.flatMap((text, index) => {
        // A millisecond within it, for a window does not have its beginning.
        const at_s = this.#endOf(window) - (index === 0 ? length_s - 0.001 : 0)
        return text.split('\n').flatMap((line) => (/^[a-z]/.test(line) ? [`${labelled(line, labels)} ${at_s.toFixed(3)}`] : []))
      }),
    )
    this.history = `${rows.join('\n')}\n# EOF\n`
  }

  /** When an expression is to be asked for: at the end of the window that it names. */
  timeOf(expr: string): number {
    return this.#endOf(/\[(\w+)\]/.exec(expr)?.[1] ?? '1m')
  }

  #endOf(window: string): number {
    const { ago_s } = WINDOWS[window] ?? {}
    if (ago_s === undefined) throw new Error(`there is no window of ${window}`)
    return this.#now_s - ago_s
  }
}

function labelled(line: string, labels: string): string {
  if (labels === '') return line
  return line.replace(/^(\w+)(?:\{(.*)\})? /, (_all, name: string, own?: string) =>
    own === undefined ? `${name}{${labels}} ` : `${name}{${own},${labels}} `,
  )
}

/** The straight line between the bounds of the bucket that holds the quantile; `[bound, count]` up to and with each bound. */
export function quantileOf(share: number, buckets: readonly (readonly [bound: number, count: number])[]): number {
  const sorted = buckets.toSorted(([a], [b]) => a - b)
  const rank = share * (sorted.at(-1)?.[1] ?? 0)
  const at = sorted.findIndex(([, count]) => count >= rank)
  const [from, below] = sorted[at - 1] ?? [0, 0]
  const [to, within] = sorted[at] ?? [Number.NaN, 0]
  return to === Number.POSITIVE_INFINITY ? from : from + ((to - from) * (rank - below)) / (within - below)
}
