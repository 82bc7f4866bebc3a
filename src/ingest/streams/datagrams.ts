import type { RemoteInfo } from 'node:dgram'
import type { InputContext } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import { formatAddress, plainIp } from '../../network/address.ts'
import { adviseOnListening } from '../../network/listen.ts'
import { listeners } from '../../network/listeners.ts'
import { Shares } from '../shares.ts'

export interface Datagram {
  readonly bytes: Buffer
  readonly ip: string
  readonly port: number
}

export interface DatagramSettings {
  /** For messages and metrics: `udp`. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Datagrams that may wait; more are lost. */
  readonly queue_size: number
  /** What of a longer one is not kept. */
  readonly buffer_size: number
  readonly receive_buffer_bytes: number | undefined
}

/** As many as a pipeline usually takes at once. */
const BATCH_DATAGRAMS = 500

/** Datagrams that wait may take a sixteenth of the budget for events, on top of it, over all inputs of the process. */
const WAITING_PART = 16
const WAITING = { bytes: 0, shares: new Shares(0) }

/** Receives datagrams and hands them on in their order. Nothing holds a sender back: what finds no room is lost, and counted. */
export class DatagramReceiver {
  readonly #settings: DatagramSettings
  readonly #context: InputContext
  readonly #handOn: (datagrams: readonly Datagram[]) => Promise<void>
  #leave: (() => void) | undefined
  #share: Disposable | undefined
  readonly #lost: { inc(): void }
  #queue: Datagram[] = []
  #work: Promise<void> | undefined

  /** @param handOn resolves when there is room for more */
  constructor(settings: DatagramSettings, context: InputContext, handOn: (datagrams: readonly Datagram[]) => Promise<void>) {
    this.#settings = settings
    this.#context = context
    this.#handOn = handOn
    const labels = { input: context.id }
    this.#lost = context.metrics.counter(
      `millrace_${settings.name}_lost_datagrams_total`,
      'Datagrams that found no room.',
      labels,
    )
    const help = 'Datagrams that wait.'
    context.metrics.gauge(`millrace_${settings.name}_waiting_datagrams`, help, labels, () => this.#queue.length)
  }

  /** Resolves with the port. @throws MillraceError INPUT_CANNOT_START */
  async listen(): Promise<number> {
    const { name, host, port, receive_buffer_bytes } = this.#settings
    // Before the first datagram.
    this.#share = WAITING.shares.add(this.#context.max_in_flight_bytes / WAITING_PART)
    try {
      const claimed = await listeners.claimUdp(host, port, receive_buffer_bytes, {
        receive: (bytes, from) => this.#receive(bytes, from),
        failed: (error) => this.#context.log.error(`${name}_listener`, `${name} listener: ${messageOf(error)}`),
      })
      this.#leave = claimed.leave
      return claimed.port
    } catch (thrown) {
      this.#share[Symbol.dispose]()
      const why = `${name} can not listen on ${formatAddress(host, port)} (UDP): ${adviseOnListening(thrown)}`
      throw new MillraceError('INPUT_CANNOT_START', why, { cause: thrown })
    }
  }

  /** Receives no more. Resolves when what came is handed on. */
  async close(): Promise<void> {
    this.#leave?.()
    await this.#work
    this.#share?.[Symbol.dispose]()
  }

  #receive(bytes: Buffer, { address, port }: RemoteInfo): void {
    const { queue_size, buffer_size } = this.#settings
    // A part would keep all of it in memory.
    const kept = bytes.length > buffer_size ? Buffer.from(bytes.subarray(0, buffer_size)) : bytes
    if (this.#queue.length >= queue_size) return this.#lose(`${queue_size} wait already (queue_size)`)
    if (WAITING.bytes + kept.length > WAITING.shares.bytes_max) {
      return this.#lose(`those that wait take ${WAITING.bytes} bytes already (a sixteenth of max_in_flight_bytes)`)
    }
    WAITING.bytes += kept.length
    this.#queue.push({ bytes: kept, ip: plainIp(address), port })
    this.#work ??= this.#drain()
  }

  #lose(why: string): void {
    this.#lost.inc()
    this.#context.log.error(
      `${this.#settings.name}_lost`,
      `${this.#context.where}: lost a datagram, for ${why}: the pipeline is slower than its senders`,
    )
  }

  /** Never rejects. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH_DATAGRAMS)
      this.#queue = this.#queue.slice(BATCH_DATAGRAMS)
      try {
        await this.#handOn(batch)
      } catch (thrown) {
        this.#context.log.error(`${this.#settings.name}_failed`, `${this.#context.where}: ${messageOf(thrown)}`)
      } finally {
        for (const { bytes } of batch) WAITING.bytes -= bytes.length
      }
    }
    this.#work = undefined
  }
}
