import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type OutputContext, type Sink, STORED, type WriteResult } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { formatAddress } from '../../network/address.ts'
import type { ClientCertificates } from '../../network/client-tls.ts'
import { sendText } from './send.ts'

export interface TcpClientSettings {
  readonly host: string
  readonly port: number
  readonly tls: ClientCertificates | undefined
  readonly reconnect_interval_ms: number
}

const CONNECT_MS = 10_000

/** Sends events over one connection to a server, and makes it anew when it breaks. */
export class TcpClientSink implements Sink {
  readonly batching: NonNullable<Sink['batching']>
  readonly #settings: TcpClientSettings
  readonly #context: OutputContext
  #socket: Socket | undefined
  #following: Disposable | undefined

  constructor(settings: TcpClientSettings, context: OutputContext) {
    this.#settings = settings
    this.#context = context
    const wait_ms = settings.reconnect_interval_ms
    // One writer: the events stay in their order.
    this.batching = { events_max: 2_048, bytes_max: 1024 * 1024, concurrency: 1, retry_first_ms: wait_ms, retry_max_ms: wait_ms }
  }

  open(): Promise<void> {
    this.#following = this.#settings.tls?.follow('tcp')
    return Promise.resolve()
  }

  async write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    const { host, port } = this.#settings
    try {
      this.#socket ??= await this.#connect(signal)
      await sendText(this.#socket, events.map((event) => this.#context.encoder.encode(event)).join(''), signal)
    } catch (thrown) {
      this.#leave()
      signal.throwIfAborted()
      throw new MillraceError('OUTPUT_UNREACHABLE', `${formatAddress(host, port)}: ${messageOf(thrown)}`, { cause: thrown })
    }
    return { outcomes: events.map(() => STORED) }
  }

  async close(): Promise<void> {
    this.#following?.[Symbol.dispose]()
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined || socket.destroyed) return
    socket.end()
    // Whatever it goes on saying.
    const patience = setTimeout(() => socket.destroy(), CONNECT_MS)
    await new Promise((resolve) => socket.once('close', resolve))
    clearTimeout(patience)
  }

  async #connect(signal: AbortSignal): Promise<Socket> {
    const { host, port, tls } = this.#settings
    const socket: Socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls.options })
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)])
    try {
      await once(socket, tls === undefined ? 'connect' : 'secureConnect', { signal: limit })
    } catch (thrown) {
      socket.on('error', () => {}) // It was told already, by what is thrown.
      socket.destroy()
      throw thrown
    }
    socket.setKeepAlive(true)
    // What the other side says is of no interest, but its end is.
    socket.resume()
    socket.on('error', (error) => this.#context.log.debug('tcp_connection', `${formatAddress(host, port)}: ${messageOf(error)}`))
    const forget = (): void => {
      if (this.#socket === socket) this.#leave()
    }
    socket.once('end', forget)
    socket.once('close', forget)
    return socket
  }

  #leave(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }
}
