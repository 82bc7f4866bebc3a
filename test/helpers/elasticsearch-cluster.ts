import type { TestContext } from 'vitest'
import type { Sink } from '../../src/core/contracts.ts'
import type { Event } from '../../src/core/event.ts'
import { createElasticsearchSink, NEVER } from './elasticsearch-sink.ts'
import { orSkip } from './servers.ts'
import { sharedElasticsearch } from './shared-servers.ts'

const closing: (() => Promise<void>)[] = []

/** After each test: closes outputs and removes indices. */
export async function closeClusters(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}

/** One of the shared servers, as one test uses it. */
interface Cluster {
  /** An index of this test alone, below the built-in template. */
  readonly index: string
  readonly url: string
  call(method: string, path: string, body?: unknown): Promise<{ readonly [name: string]: unknown }>
  /** The ids that a query finds. */
  find(query: string): Promise<string[]>
  open(options?: { readonly [name: string]: unknown }): Promise<Sink>
}

let indices = 0

export async function clusterFor(context: TestContext, major: 8 | 9): Promise<Cluster> {
  const { url } = orSkip(context, await sharedElasticsearch(major))
  const index = `exchange-logs-output-test-${process.pid}-${++indices}`
  const call: Cluster['call'] = async (method, path, body) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return (await answer.json()) as { [name: string]: unknown }
  }
  closing.push(async () => {
    await call('DELETE', `/${index}`)
  })
  return {
    index,
    url,
    call,
    find: async (query) => {
      await call('POST', `/${index}/_refresh`)
      const body = { query: { query_string: { query } }, sort: ['_doc'], size: 1000 }
      const { hits } = (await call('POST', `/${index}/_search`, body)) as { hits: { hits: { _id: string }[] } }
      return hits.hits.map(({ _id }) => _id).sort()
    },
    open: async (options = {}) => {
      const sink = createElasticsearchSink({ hosts: [url], index, ...options })
      closing.push(() => sink.close())
      await sink.open(NEVER)
      return sink
    },
  }
}

/** The outcomes of one write: `stored`, `park INDEX`. */
export async function kindsOf(sink: Sink, events: readonly Event[]): Promise<string[]> {
  return (await sink.write(events, NEVER)).outcomes.map((outcome) =>
    'key' in outcome ? `${outcome.kind} ${outcome.key}` : outcome.kind,
  )
}
