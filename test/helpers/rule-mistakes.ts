import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** Names as they are printed -> their labels. */
export type KnownMetrics = ReadonlyMap<string, ReadonlySet<string>>

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly annotations: Readonly<Record<string, string>>
}

/** What Prometheus puts to each sample. */
const OF_TARGETS = ['job', 'instance']
/** What Prometheus itself and the exporters of deploy/prometheus/prometheus.yml tell, as far as rules ask for it. */
const OF_OTHERS: Readonly<Record<string, readonly string[]>> = {
  up: [],
  node_cpu_seconds_total: ['cpu', 'mode'],
  node_filesystem_avail_bytes: ['device', 'fstype', 'mountpoint'],
  node_filesystem_size_bytes: ['device', 'fstype', 'mountpoint'],
  node_memory_MemAvailable_bytes: [],
  node_memory_MemTotal_bytes: [],
  redis_up: [],
}
const KEYWORDS: ReadonlySet<string> = new Set(['and', 'or', 'unless', 'bool', 'offset'])
const GROUPING = /\b(by|without|on|ignoring)\s*\(([^)]*)\)/g

/**
 * The metrics of docs/metrics.md, which other tests compare with what programs tell, those of others, and of the exchange's those
 * that config/exchange.json makes.
 */
export async function readKnownMetrics(): Promise<KnownMetrics> {
  const page = await readFile(join(ROOT, 'docs/metrics.md'), 'utf8')
  const exchange = await readFile(join(ROOT, 'config/exchange.json'), 'utf8')
  const known = new Map(Object.entries(OF_OTHERS).map(([name, labels]) => [name, new Set([...labels, ...OF_TARGETS])]))
  for (const [, name = '', type = '', cell = ''] of page.matchAll(/^\| `(\w+)` \| (\w+)[^|]*\| ([^|]*)\|/gm)) {
    if (name.startsWith('exchange_') && !exchange.includes(`"name": "${name}"`)) continue
    const labels = [...[...cell.matchAll(/`(\w+)`/g)].map(([, label = '']) => label), ...OF_TARGETS]
    if (type !== 'histogram') known.set(name, new Set(type === 'summary' ? [...labels, 'quantile'] : labels))
    if (type === 'histogram') known.set(`${name}_bucket`, new Set([...labels, 'le']))
    if (type === 'histogram' || type === 'summary')
      for (const part of ['sum', 'count']) known.set(`${name}_${part}`, new Set(labels))
  }
  return known
}

/** What a rule asks for, or says, that no sample has: `no millrace_gone`, `no label input: up`. */
export function mistakesIn({ expr, annotations }: AlertRule, known: KnownMetrics): string[] {
  const unquoted = expr.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
  const groupings = [...unquoted.matchAll(GROUPING)].map(([, word = '', list = '']) => ({
    word,
    labels: list.match(/\w+/g) ?? [],
  }))
  const selectors = [...unquoted.replaceAll(GROUPING, '').matchAll(/\b([a-z_]\w*)\b(?!\s*\()(?:\{([^}]*)\})?/gi)]
    .map(([, name = '', matchers = '']) => ({ name, asked: matchers.match(/\w+(?=\s*[=!])/g) ?? [] }))
    .filter(({ name }) => !KEYWORDS.has(name))
  if (selectors.length === 0) return ['no metric at all']
  const grouped = groupings.flatMap(({ labels }) => labels)
  const mistakes = selectors.flatMap(({ name, asked }) => {
    const labels = known.get(name)
    if (labels === undefined) return [`no ${name}`]
    return [...asked, ...grouped].filter((label) => !labels.has(label)).map((label) => `no label ${label}: ${name}`)
  })
  if (mistakes.length > 0) return mistakes
  const kept =
    groupings.find(({ word }) => word === 'by')?.labels ?? selectors.flatMap(({ name }) => [...(known.get(name) ?? [])])
  const dropped = groupings.filter(({ word }) => word === 'without').flatMap(({ labels }) => labels)
  return Object.values(annotations)
    .flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label))
    .filter((label) => !kept.includes(label) || dropped.includes(label))
    .map((label) => `no label ${label} is left`)
}
