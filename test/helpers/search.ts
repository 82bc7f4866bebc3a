const PAGE = 5_000

interface SearchReply {
  readonly hits: {
    readonly total: { readonly value: number }
    readonly hits: readonly { readonly _id: string; readonly _index: string; readonly sort: readonly [string] }[]
  }
  readonly aggregations?: {
    readonly per_minute?: { readonly buckets: readonly { readonly key_as_string: string; readonly doc_count: number }[] }
  }
}

export interface Found {
  readonly id: string
  readonly index: string
  readonly order_id: string
}

/** Asks an Elasticsearch over the indices exchange-logs-*, without the client that the program uses. */
export class Search {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** Makes what was stored until now visible to searches. */
  async refresh(): Promise<void> {
    await this.#read(await fetch(`${this.#url}/exchange-logs-*/_refresh`, { method: 'POST' }))
  }

  /** All documents of a query in the query string's language, by order id. */
  async find(query: string): Promise<Found[]> {
    return this.findBy({ query_string: { query } })
  }

  async findBy(query: object): Promise<Found[]> {
    const found: Found[] = []
    for (let after: readonly string[] | undefined; ; ) {
      const { hits } = await this.#search({
        query,
        size: PAGE,
        _source: false,
        sort: [{ order_id: 'asc' }],
        ...(after === undefined ? {} : { search_after: after }),
      })
      for (const { _id, _index, sort } of hits.hits) found.push({ id: _id, index: _index, order_id: sort[0] })
      if (hits.hits.length < PAGE) return found
      after = hits.hits.at(-1)?.sort
    }
  }

  /** How many documents of a query fall into each minute of `@timestamp`; minutes without any are left out. */
  async countPerMinute(query: string): Promise<{ [minute: string]: number }> {
    const { aggregations } = await this.#search({
      size: 0,
      query: { query_string: { query } },
      aggs: {
        per_minute: {
          date_histogram: { field: '@timestamp', fixed_interval: '1m', min_doc_count: 1, format: "yyyy-MM-dd'T'HH:mm" },
        },
      },
    })
    const buckets = aggregations?.per_minute?.buckets ?? []
    return Object.fromEntries(buckets.map(({ key_as_string, doc_count }) => [key_as_string, doc_count]))
  }

  /** The document's text as it was stored. */
  async source({ index, id }: Found): Promise<string> {
    const response = await fetch(`${this.#url}/${index}/_source/${encodeURIComponent(id)}`)
    return response.text()
  }

  async #search(body: object): Promise<SearchReply> {
    const response = await fetch(`${this.#url}/exchange-logs-*/_search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ track_total_hits: true, ...body }),
    })
    return (await this.#read(response)) as SearchReply
  }

  async #read(response: Response): Promise<unknown> {
    const text = await response.text()
    if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 500)}`)
    return JSON.parse(text)
  }
}
