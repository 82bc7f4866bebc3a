import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SavedObject {
  readonly type: string
  readonly id: string
  readonly attributes: {
    readonly title: string
    readonly description?: string
    readonly kibanaSavedObjectMeta?: { readonly searchSourceJSON: string }
    readonly state?: {
      readonly query: Query
      readonly datasourceStates: { readonly formBased: { readonly layers: { readonly layer1: Layer } } }
      readonly visualization: { readonly layers: readonly { readonly [name: string]: unknown }[] }
    }
  }
  readonly references: readonly { readonly type: string; readonly id: string }[]
}

interface Query {
  readonly query: string
  readonly language: string
}

interface Layer {
  readonly columns: { readonly [id: string]: Column }
  readonly columnOrder: readonly string[]
}

interface Column {
  readonly operationType: string
  readonly isBucketed: boolean
  readonly sourceField: string
  readonly params: { readonly interval?: string; readonly size?: number }
}

/** What deploy/kibana installs, as its file has it. */
export const KIBANA_TEXT = readFileSync(join(import.meta.dirname, '../../deploy/kibana/exchange.ndjson'), 'utf8')
export const KIBANA_OBJECTS = KIBANA_TEXT.trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as SavedObject)

export function objectOf(id: string): SavedObject {
  const found = KIBANA_OBJECTS.find((object) => object.id === id)
  if (found === undefined) throw new Error(`there is no ${id}`)
  return found
}

export function queryOf({ attributes }: SavedObject): Query {
  if (attributes.state !== undefined) return attributes.state.query
  return (JSON.parse(attributes.kibanaSavedObjectMeta?.searchSourceJSON ?? '') as { query: Query }).query
}

export function layerOf({ attributes }: SavedObject): Layer {
  return attributes.state?.datasourceStates.formBased.layers.layer1 ?? { columns: {}, columnOrder: [] }
}

/** What Kibana asks Elasticsearch for a search, and for a chart beside it: its columns as aggregations, each in the one before. */
export function requestOf(object: SavedObject): { readonly [name: string]: unknown } {
  const query = { query_string: { query: queryOf(object).query, analyze_wildcard: true } }
  const { columns, columnOrder } = layerOf(object)
  const buckets = columnOrder.flatMap((id) => (columns[id]?.isBucketed === true ? [columns[id]] : []))
  if (buckets.length === 0) return { query }
  const aggs = buckets.reduceRight<object>((inner, { operationType, sourceField: field, params }) => {
    const how = operationType === 'terms' ? { size: params.size } : { fixed_interval: params.interval, min_doc_count: 0 }
    return { by: { [operationType]: { field, ...how }, aggs: inner } }
  }, {})
  return { query, size: 0, aggs }
}

export interface Aggregations {
  readonly by?: { readonly buckets: readonly Bucket[] }
}

interface Bucket extends Aggregations {
  readonly key: string | number
  readonly doc_count: number
}

/** The counts that a chart shows, by its columns: `exchange-api 1772366400000`. What has none is left out. */
export function countsOf({ by }: Aggregations): { [key: string]: number } {
  const counts = (by?.buckets ?? []).flatMap((bucket) =>
    bucket.by === undefined
      ? [[String(bucket.key), bucket.doc_count] as const]
      : Object.entries(countsOf(bucket)).map(([name, count]) => [`${bucket.key} ${name}`, count] as const),
  )
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}
