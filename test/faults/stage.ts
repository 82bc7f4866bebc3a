import { createRandom } from '../../src/sample/random.ts'
import { freePort } from '../helpers/free-port.ts'
import { startKafka } from '../helpers/servers.ts'
import { RealStore, type Store, StubStore } from './store.ts'
import { Topic } from './topic.ts'

/** How much a run does. */
export interface Extent {
  /** The stub in place of Elasticsearch, no Kafka, few events: for `npm test`. */
  readonly is_quick: boolean
  readonly events: number
  /** Kills, restarts and rebalances of one scenario. */
  readonly faults: number
  /** Events a second of all senders together. */
  readonly rate: number
  /** How long the output is blocked in that scenario. */
  readonly blocked_ms: number
}

export const QUICK: Extent = { is_quick: true, events: 2_000, faults: 3, rate: 1_000, blocked_ms: 8_000 }
export const FULL: Extent = {
  is_quick: false,
  events: 200_000,
  faults: 10,
  rate: 4_000,
  blocked_ms: 600_000,
}

/** A figure of a scenario, by what it is: `kills with events in flight` -> `9 of 10`. */
export type Figures = { readonly [what: string]: number | string }

export interface Scenario {
  readonly letter: string
  readonly title: string
  /** Whether it needs Kafka or real time, and is not part of the quick run. */
  readonly is_full_only?: boolean
  /** @throws Error when a promise does not hold */
  readonly run: (stage: Stage) => Promise<Figures>
}

/** The real servers of a run, started when the first scenario asks for them. */
export class Servers implements AsyncDisposable {
  /** Kafka has a door whose clients are sent to the port of a proxy. */
  readonly proxied = { port: 0, advertised_port: 0 }
  #store: Promise<RealStore> | undefined
  #kafka: ReturnType<typeof startKafka> | undefined

  async store(): Promise<RealStore> {
    this.#store ??= RealStore.launch()
    const store = await this.#store
    await store.empty()
    return store
  }

  async topic(): Promise<Topic> {
    this.#kafka ??= this.#startKafka()
    const kafka = await this.#kafka
    if ('unavailable' in kafka) throw new Error(kafka.unavailable)
    return Topic.create(kafka)
  }

  async #startKafka(): ReturnType<typeof startKafka> {
    this.proxied.port = await freePort()
    this.proxied.advertised_port = await freePort()
    return startKafka({ listeners: [{ name: 'PROXIED', protocol: 'PLAINTEXT', ...this.proxied }] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const kafka = await this.#kafka?.catch(() => undefined)
    if (kafka !== undefined && !('unavailable' in kafka)) await kafka[Symbol.asyncDispose]()
    const store = await this.#store?.catch(() => undefined)
    await store?.remove()
  }
}

/** What a scenario plays on. */
export class Stage {
  readonly extent: Extent
  readonly seed: number
  /** From 0 to below 1; the same for the same seed. */
  readonly random: () => number
  readonly servers: Servers
  readonly progress: (text: string) => void

  constructor(extent: Extent, seed: number, servers: Servers, progress: (text: string) => void = () => {}) {
    this.extent = extent
    this.seed = seed
    this.random = createRandom(seed)
    this.servers = servers
    this.progress = progress
  }

  /** An empty one. */
  store(): Promise<Store> {
    return this.extent.is_quick ? StubStore.launch() : this.servers.store()
  }

  /** Not in a quick run. */
  async topic(): Promise<Topic | undefined> {
    return this.extent.is_quick ? undefined : this.servers.topic()
  }
}
