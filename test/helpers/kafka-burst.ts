import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { EACH_ONCE } from './kafka-producer.ts'
import { waitFor } from './wait-for.ts'

const BIN = join(import.meta.dirname, '../../bin/millrace')
/** More than any machine writes: a hundred times as many lines. */
const RATE = 1_000
/** Less than the megabyte that a broker takes. */
const SENT_AT_ONCE = 2_000
/** The lag is looked up once in so many lines. */
const LOOKED_EVERY = 10_000
/** There is enough to wait for then. */
const LAG_MAX = 50_000

/** The lines of `millrace sample --incident kafka-lag` on their way into a topic of one partition, as fast as they come. */
export class KafkaBurst implements AsyncDisposable {
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #topic: string
  readonly #stopping = new AbortController()
  #writing: Promise<void> = Promise.resolve()

  private constructor(client: Kafka, topic: string) {
    this.#admin = client.admin()
    this.#producer = client.producer(EACH_ONCE)
    this.#topic = topic
  }

  /** Makes the topic, and writes nothing yet. The group that reads it has its name. */
  static async prepare(brokers: readonly string[], topic: string): Promise<KafkaBurst> {
    patchKafkajs()
    const burst = new KafkaBurst(new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }), topic)
    await Promise.all([burst.#admin.connect(), burst.#producer.connect()])
    await burst.#admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
    return burst
  }

  begin(): void {
    this.#writing = this.#write()
  }

  /** Resolves when nothing more is written. Rejects with what went wrong meanwhile. */
  async end(): Promise<void> {
    this.#stopping.abort()
    await this.#writing
  }

  /** By the broker's own figures. */
  async lag(): Promise<number> {
    const [[written], [read]] = await Promise.all([
      this.#admin.fetchTopicOffsets(this.#topic),
      this.#admin.fetchOffsets({ groupId: this.#topic, topics: [this.#topic] }),
    ])
    return Number(written?.high ?? 0) - Math.max(0, Number(read?.partitions[0]?.offset ?? 0))
  }

  async #write(): Promise<void> {
    const sample = spawn(BIN, ['sample', '--incident', 'kafka-lag', '--rate', String(RATE)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      let rest = ''
      let lines: string[] = []
      let until_look = LOOKED_EVERY
      for await (const piece of sample.stdout.setEncoding('utf8') as AsyncIterable<string>) {
        if (this.#stopping.signal.aborted) break
        const whole = (rest + piece).split('\n')
        rest = whole.pop() ?? ''
        lines = [...lines, ...whole]
        while (lines.length >= SENT_AT_ONCE) {
          const messages = lines.splice(0, SENT_AT_ONCE).map((value) => ({ value }))
          await this.#producer.send({ topic: this.#topic, messages })
          until_look -= SENT_AT_ONCE
        }
        if (until_look > 0) continue
        until_look = LOOKED_EVERY
        await waitFor('less lag', async () => this.#stopping.signal.aborted || (await this.lag()) < LAG_MAX)
      }
    } finally {
      sample.kill('SIGKILL')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#writing.catch(() => {})
    await Promise.all([this.#admin.disconnect(), this.#producer.disconnect()])
  }
}
