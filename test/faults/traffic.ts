import { setTimeout as delay } from 'node:timers/promises'
import { sum } from '../helpers/books.ts'
import { FilebeatSender, type FilebeatSenderOptions } from './filebeat-sender.ts'
import { expectEachOnce, type LogLine, linesAcrossMidnight } from './log-lines.ts'
import type { Millrace } from './millrace.ts'
import type { Stage } from './stage.ts'
import type { Store } from './store.ts'
import type { Topic } from './topic.ts'

/** Without any progress for so long it is stuck. Generous: a fault costs time, and the machine may be busy. */
const STUCK_MS = 300_000
const LOOK_MS = 200

/** Throttled senders: two Filebeats, and half of all events through Kafka where there is a topic. */
export class Traffic implements AsyncDisposable {
  readonly senders: readonly FilebeatSender[]
  readonly #lines: readonly LogLine[]
  readonly #stage: Stage
  readonly #topic: Topic | undefined
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #failure: unknown
  #isDone = false

  constructor(
    stage: Stage,
    port: number,
    topic?: Topic,
    habits: Pick<FilebeatSenderOptions, 'patience_ms' | 'windows_a_connection'> = {},
  ) {
    const { events, rate } = stage.extent
    this.#stage = stage
    this.#topic = topic
    this.#lines = linesAcrossMidnight(stage.seed, events)
    const shares = topic === undefined ? 2 : 4
    const shareOf = (share: number): LogLine[] => this.#lines.filter((_line, index) => index % shares === share)
    this.senders = [0, 1].map(
      (share) =>
        new FilebeatSender({
          port,
          lines: shareOf(share),
          path: `/var/log/exchange/${share}.log`,
          rate: rate / shares,
          ...habits,
        }),
    )
    const { signal } = this.#stop
    const producing = topic?.produce([...shareOf(2), ...shareOf(3)], rate / 2, signal)
    this.#running = Promise.all([...this.senders.map((sender) => sender.run(signal)), producing]).then(
      () => {
        this.#isDone = true
      },
      (error: unknown) => {
        this.#failure = error
        this.#stop.abort()
      },
    )
  }

  get sent(): number {
    return sum(this.senders.map(({ sent }) => sent))
  }

  get acknowledged(): number {
    return sum(this.senders.map(({ acknowledged }) => acknowledged))
  }

  /** Events on living Lumberjack connections that are not acknowledged. */
  get in_flight(): number {
    return sum(this.senders.map(({ in_flight }) => in_flight))
  }

  get repeated_windows(): number {
    return sum(this.senders.map(({ repeated_windows }) => repeated_windows))
  }

  get connections(): number {
    return sum(this.senders.map(({ connections }) => connections))
  }

  /** Waits until so large a share of what goes over Lumberjack was sent. */
  async untilSent(share: number): Promise<void> {
    const events = (this.#topic === undefined ? 1 : 0.5) * this.#lines.length
    await this.#until(`${Math.round(share * 100)} % of the events being sent`, () => this.#isThere(this.sent >= share * events))
  }

  /** Waits until the senders have what they want; then holds the store against what was sent, and looks at the books. */
  async expectAllStored(millrace: Millrace, store: Store): Promise<void> {
    this.#stage.progress('waiting for the last acknowledgement')
    try {
      await this.#until('the last acknowledgement', () => this.#isThere(this.#isDone))
      await this.#topic?.untilCommitted(STUCK_MS)
    } catch (thrown) {
      throw new Error(`the senders or the consumer did not finish\n${millrace.program.stderr.slice(-5_000)}`, { cause: thrown })
    }
    await millrace.settle(STUCK_MS)
    const ids = this.#lines.map(({ id }) => id)
    expectEachOnce('the documents', ids, await store.stored())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  #isThere(condition: boolean): boolean {
    if (this.#failure !== undefined) throw this.#failure
    return condition
  }

  /** @throws Error when nothing gets on for too long before it holds */
  async #until(what: string, holds: () => boolean): Promise<void> {
    let standing = ''
    let since_ms = 0
    while (!holds()) {
      const now_ms = performance.now()
      const { sent, acknowledged } = this
      const next = JSON.stringify({ sent, acknowledged, produced: this.#topic?.produced })
      if (next !== standing) since_ms = now_ms
      standing = next
      if (now_ms - since_ms > STUCK_MS) throw new Error(`nothing got on for ${STUCK_MS} ms before ${what}: ${standing}`)
      await delay(LOOK_MS)
    }
  }
}
