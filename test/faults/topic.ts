import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { patchKafkajs } from '../../src/kafka/patches.ts'
import { sum } from '../helpers/books.ts'
import { EACH_ONCE } from '../helpers/kafka-producer.ts'
import type { KafkaServer } from '../helpers/servers.ts'
import { waitFor } from '../helpers/wait-for.ts'
import type { LogLine } from './log-lines.ts'

const PARTITIONS = 4
const BATCH = 200
const TIMEOUT_MS = 180_000

/** A topic of its own with a producer that goes on until each record is in it once, also when the broker dies meanwhile. */
export class Topic implements AsyncDisposable {
  readonly name = `faults-${randomUUID()}`
  readonly server: KafkaServer
  produced = 0
  readonly #admin
  readonly #producer

  private constructor(server: KafkaServer) {
    this.server = server
    const retry = { retries: 10_000, initialRetryTime: 200, maxRetryTime: 1_000 }
    const client = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING, retry })
    this.#admin = client.admin()
    this.#producer = client.producer({ ...EACH_ONCE, retry })
  }

  static async create(server: KafkaServer): Promise<Topic> {
    patchKafkajs()
    const topic = new Topic(server)
    await topic.#admin.connect()
    const topics = [{ topic: topic.name, numPartitions: PARTITIONS }]
    await waitFor('the topic', () => topic.#admin.createTopics({ topics, waitForLeaders: true }), { timeout_ms: TIMEOUT_MS })
    await topic.#producer.connect()
    return topic
  }

  /** Events a second at most; each batch goes to all partitions. */
  async produce(lines: readonly LogLine[], rate: number, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < lines.length; at += BATCH) {
      signal.throwIfAborted()
      const messages = lines.slice(at, at + BATCH).map(({ line }, index) => ({ value: line, partition: index % PARTITIONS }))
      await this.#producer.send({ topic: this.name, messages })
      this.produced += messages.length
      await delay((messages.length * 1_000) / rate, undefined, { signal })
    }
    const offsets = await waitFor('the offsets', () => this.#admin.fetchTopicOffsets(this.name), { signal })
    const records = sum(offsets.map(({ offset }) => Number(offset)))
    if (records !== lines.length) throw new Error(`the producer made ${records} records of ${lines.length} lines`)
  }

  /** Records that the program's group has committed. */
  async committed(): Promise<number> {
    const [topic] = await this.#admin.fetchOffsets({ groupId: this.name, topics: [this.name] })
    return sum((topic?.partitions ?? []).map(({ offset }) => Math.max(0, Number(offset))))
  }

  /** @throws Error when nothing is committed for so long before the whole topic is */
  async untilCommitted(stuck_ms: number): Promise<void> {
    let committed = -1
    while (committed < this.produced) {
      // Asked until it is answered: a broker that was restarted may look for the group's coordinator for a while.
      const before = committed
      const isMore = async (): Promise<boolean> => (committed = await this.committed()) > before
      await waitFor(`a commit beyond ${before} of ${this.produced}`, isMore, { timeout_ms: stuck_ms })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.disconnect().catch(() => {})
    await this.#admin.deleteTopics({ topics: [this.name] }).catch(() => {})
    await this.#admin.disconnect().catch(() => {})
  }
}
