import { Search } from '../helpers/search.ts'
import { type ElasticsearchServer, startElasticsearch } from '../helpers/servers.ts'
import { type StubElasticsearch, type StubSettings, startStubElasticsearch } from '../helpers/stub-elasticsearch.ts'
import { FaultyProxy } from './faulty-proxy.ts'
import { orderIdOf } from './log-lines.ts'

/** Where the documents go: a real Elasticsearch, or the stub in a quick run. */
export interface Store extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** The order id of every document, as often as there is one. */
  stored(): Promise<string[]>
  /** As `kill -9` of it. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Closes the index of a day: yyyy.mm.dd. */
  closeIndex(day: string): Promise<void>
  openIndex(day: string): Promise<void>
}

/** Elasticsearch 8, kept for all scenarios of a run; each begins with an empty one. */
export class RealStore implements Store {
  readonly url: string
  readonly port: number
  readonly #server: ElasticsearchServer

  private constructor(server: ElasticsearchServer) {
    this.#server = server
    this.url = server.url
    this.port = Number(new URL(server.url).port)
  }

  static async launch(): Promise<RealStore> {
    const server = await startElasticsearch({ major: 8, settings: { 'action.destructive_requires_name': 'false' } })
    if ('unavailable' in server) throw new Error(server.unavailable)
    return new RealStore(server)
  }

  async stored(): Promise<string[]> {
    const search = new Search(this.url)
    await search.refresh()
    const ids = (await search.find('*')).map(({ order_id }) => order_id)
    const { count } = (await this.#ask('GET', '/exchange-logs-*/_count')) as { count: number }
    // Pages skip what has the order id of the page before: the count knows of it.
    if (count !== ids.length) throw new Error(`${count} documents with ${ids.length} order ids`)
    return ids
  }

  async empty(): Promise<void> {
    await this.#ask('DELETE', '/exchange-logs-*')
  }

  async kill(): Promise<void> {
    await this.#server.kill()
  }

  async start(): Promise<void> {
    await this.#server.start()
  }

  async closeIndex(day: string): Promise<void> {
    await this.#ask('POST', `/exchange-logs-${day}/_close`)
  }

  async openIndex(day: string): Promise<void> {
    await this.#ask('POST', `/exchange-logs-${day}/_open`)
  }

  /** A scenario lets go of it; it ends with the run. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }

  async remove(): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }

  async #ask(method: string, path: string): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, { method })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }
}

/** The stub behind a proxy that can cut it off, so that what it has stored outlives its death. */
export class StubStore implements Store {
  readonly stub: StubElasticsearch
  readonly #proxy: FaultyProxy

  private constructor(stub: StubElasticsearch, proxy: FaultyProxy) {
    this.stub = stub
    this.#proxy = proxy
  }

  static async launch(settings: StubSettings = {}): Promise<StubStore> {
    const stub = await startStubElasticsearch(settings)
    return new StubStore(stub, await FaultyProxy.start({ port: stub.port, random: () => 1 }))
  }

  get url(): string {
    return `http://127.0.0.1:${this.#proxy.port}`
  }

  get port(): number {
    return this.#proxy.port
  }

  stored(): Promise<string[]> {
    return Promise.resolve([...this.stub.documents.values()].flatMap((index) => [...index.values()].map(orderIdOf)))
  }

  kill(): Promise<void> {
    this.#proxy.down()
    return Promise.resolve()
  }

  start(): Promise<void> {
    this.#proxy.up()
    return Promise.resolve()
  }

  closeIndex(day: string): Promise<void> {
    this.stub.onBulk = () => ({
      item: ({ index }) => (index.endsWith(day) ? { status: 400, type: 'index_closed_exception', reason: 'closed' } : undefined),
    })
    return Promise.resolve()
  }

  openIndex(): Promise<void> {
    this.stub.onBulk = undefined
    return Promise.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]()
    await this.stub.close()
  }
}
