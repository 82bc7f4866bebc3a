import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { filebeatEvent } from './default-pipeline.ts'
import { freePort } from './free-port.ts'
import { EACH_ONCE } from './kafka-producer.ts'
import { encodeWindow, LumberjackClient } from './lumberjack-client.ts'
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts'
import { Program } from './program.ts'
import { type StubBehaviour, type StubBulk, startStubElasticsearch } from './stub-elasticsearch.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** How long the store of `flow` takes for each answer. */
export const STORE_DELAY_MS = 300

/** One bulk request of `flow` as its store saw it, and what it said. */
interface Answered {
  readonly status: number
  readonly items: number
  readonly bytes: number
}

/**
 * One program that is busy in known ways, for figures that are to be known:
 *
 *     flow      beats `shipper` and kafka `orders`, a filter that drops `noise`, Elasticsearch `store`, which refuses `bad`
 *     stuck     kafka `queue`, Elasticsearch `deaf`, which never answers
 *     spilled   http `hook`, Elasticsearch `down`, which says 503
 */
export class ThreePipelines implements AsyncDisposable {
  readonly program: Program
  readonly receiver: OtlpReceiver
  /** The topics that `flow` and `stuck` read, which are the names of their groups too. */
  readonly topics: Topics
  /** Every request to the store of `flow`. */
  readonly answered: readonly Answered[]
  readonly #stack: AsyncDisposableStack
  readonly #sendTo: SendTo
  readonly #shipper: LumberjackClient
  readonly #hook: string
  readonly #store: Store
  #shipped = 0

  private constructor(parts: Parts, store: Store, program: Program, shipper: LumberjackClient) {
    this.#stack = parts.stack
    this.receiver = parts.receiver
    this.topics = parts.topics
    this.#sendTo = parts.sendTo
    this.#hook = `http://127.0.0.1:${parts.ports.hook}`
    this.#store = store
    this.answered = store.answered
    this.program = program
    this.#shipper = shipper
  }

  static async start(brokers: readonly string[]): Promise<ThreePipelines> {
    await using stack = new AsyncDisposableStack()
    const topics = { flow: `flow-${randomUUID()}`, stuck: `stuck-${randomUUID()}` }
    const sendTo = await openTopics(stack, brokers, Object.values(topics))
    const receiver = stack.use(await startOtlpReceiver())
    const ports = { shipper: await freePort(), hook: await freePort() }
    const store: Store = { answered: [], puts_off: 0 }
    const stores = {
      store: await startStub(stack, (bulk) => answerOf(store, bulk)),
      deaf: await startStub(stack, () => ({ until: new Promise<void>(() => {}) })),
      down: await startStub(stack, () => ({ status: 503 })),
    }
    const folder = stack.use(await temporaryFolder())
    const pipelines = pipelinesOf(brokers, topics, ports, stores)
    const entries = Object.entries(pipelines).map(([id, text]) => ({ 'pipeline.id': id, 'config.string': text }))
    // JSON is YAML.
    await writeFile(join(folder.path, 'pipelines.yml'), JSON.stringify(entries))
    const tracing = ['--tracing.endpoint', receiver.url, '--tracing.sampling', '1']
    // A request that was given up would be counted here, and not there.
    const env = { OTEL_EXPORTER_OTLP_TIMEOUT: '60000' }
    const program = stack.use(await Program.start({ args: ['--path.settings', folder.path, ...tracing], env }))
    const shipper = stack.use(await LumberjackClient.connect({ host: '127.0.0.1', port: ports.shipper }))
    const parts = { stack: stack.move(), receiver, topics, sendTo, ports }
    return new ThreePipelines(parts, store, program, shipper)
  }

  /** The store of `flow` answers the next request with 503. */
  putOffOnce(): void {
    this.#store.puts_off++
  }

  /** As Filebeat sends a window; returns it, for it may come again. */
  async ship(lines: readonly string[]): Promise<Buffer> {
    const window = encodeWindow(lines.map((line) => filebeatEvent(line, this.#shipped++)))
    await this.#shipper.send(window)
    return window
  }

  async shipAgain(window: Buffer): Promise<void> {
    await this.#shipper.send(window)
  }

  async sendToTopic(pipeline: keyof Topics, lines: readonly string[]): Promise<void> {
    await this.#sendTo(this.topics[pipeline], lines)
  }

  /** In one body to the hook of `spilled`. Resolves when that is answered. */
  async post(lines: readonly string[]): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(this.#hook, { method: 'POST', headers, body: `[${lines.join(',')}]` })
    if (status !== 200) throw new Error(`the hook answered ${status}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

interface Topics {
  readonly flow: string
  readonly stuck: string
}

type SendTo = (topic: string, lines: readonly string[]) => Promise<void>

interface Ports {
  readonly shipper: number
  readonly hook: number
}

interface Parts {
  readonly stack: AsyncDisposableStack
  readonly receiver: OtlpReceiver
  readonly topics: Topics
  readonly sendTo: SendTo
  readonly ports: Ports
}

interface Store {
  readonly answered: Answered[]
  puts_off: number
}

function answerOf(store: Store, { items, body }: StubBulk): StubBehaviour {
  const status = store.puts_off > 0 ? 503 : 200
  if (status === 503) store.puts_off--
  store.answered.push({ status, items: items.length, bytes: body.length })
  return {
    ...(status === 503 ? { status } : {}),
    until: delay(STORE_DELAY_MS),
    item: ({ source }) => (source.includes('"bad":true') ? REFUSED : undefined),
  }
}

const REFUSED = { status: 400, type: 'document_parsing_exception', reason: '[1:9] failed to parse field [bad] of type [long]' }

async function startStub(stack: AsyncDisposableStack, onBulk: (bulk: StubBulk) => StubBehaviour): Promise<string> {
  const stub = await startStubElasticsearch({ onBulk })
  stack.defer(() => stub.close())
  return stub.url
}

async function openTopics(stack: AsyncDisposableStack, brokers: readonly string[], topics: readonly string[]): Promise<SendTo> {
  patchKafkajs()
  const client = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING })
  const [admin, producer] = [client.admin(), client.producer(EACH_ONCE)]
  await Promise.all([admin.connect(), producer.connect()])
  stack.defer(async () => void (await Promise.all([admin.disconnect(), producer.disconnect()])))
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })), waitForLeaders: true })
  return async (topic, lines) => void (await producer.send({ topic, messages: lines.map((value) => ({ value })) }))
}

function pipelinesOf(
  brokers: readonly string[],
  { flow, stuck }: Topics,
  ports: Ports,
  { store, deaf, down }: { readonly [name in 'store' | 'deaf' | 'down']: string },
): { readonly [id: string]: string } {
  const kafka = (id: string, topic: string): string =>
    `kafka { id => "${id}" bootstrap_servers => "${brokers.join(',')}" topics => ["${topic}"] group_id => "${topic}"
       auto_offset_reset => earliest codec => json }`
  const elasticsearch = (id: string, url: string, options: string): string =>
    `output { elasticsearch { id => "${id}" hosts => ["${url}"] index => "${id}" ${options} } }`
  return {
    flow: `input { beats { id => "shipper" host => "127.0.0.1" port => ${ports.shipper} } ${kafka('orders', flow)} }
      filter {
        json { source => message }
        date { match => [ts, "ISO8601"] }
        if [noise] { drop {} }
        span { }
      }
      ${elasticsearch('store', store, 'on_mapping_conflict => dead_letter')}`,
    stuck: `input { ${kafka('queue', stuck)} } ${elasticsearch('deaf', deaf, 'when_blocked => block timeout => 3600')}`,
    spilled: `input { http { id => "hook" host => "127.0.0.1" port => ${ports.hook} codec => json } }
      ${elasticsearch('down', down, 'when_blocked => spill blocked_after_ms => 50')}`,
  }
}
