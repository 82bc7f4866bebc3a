import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Backoff } from '../../core/backoff.ts'
import type { Deliver, InputContext, Source } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import { formatAddress } from '../../network/address.ts'
import type { ClientCertificates } from '../../network/client-tls.ts'
import { StreamConnection, type StreamServices } from '../streams/connection.ts'
import { type StreamSettings, streamServices } from '../streams/services.ts'
import type { StreamConsumer, StreamPeer } from '../streams/stream.ts'

const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 30_000
/** A connection that lasted so long was a good one: the next failure waits shortly again. */
const SOUND_MS = 10_000

interface TcpClientSettings extends StreamSettings {
  readonly host: string
  readonly port: number
  readonly tls: ClientCertificates | undefined
  readonly keep_alive: boolean
}

/** Connects to a sender, reads until it closes, and connects again. */
export class TcpClient implements Source {
  readonly #settings: TcpClientSettings
  readonly #context: InputContext
  readonly #accept: (peer: StreamPeer, deliver: Deliver) => Promise<StreamConsumer>

  constructor(
    settings: TcpClientSettings,
    context: InputContext,
    accept: (peer: StreamPeer, deliver: Deliver) => Promise<StreamConsumer>,
  ) {
    this.#settings = settings
    this.#context = context
    this.#accept = accept
  }

  async run(deliver: Deliver, stop: AbortSignal): Promise<void> {
    const { host, port, tls } = this.#settings
    using _following = tls?.follow('tcp')
    using services = streamServices(this.#settings, this.#context, (peer) => this.#accept(peer, deliver))
    const backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
    const address = formatAddress(host, port)
    while (!stop.aborted) {
      const started_ms = performance.now()
      let why = 'the other side closed the connection'
      try {
        await this.#session(services, stop)
      } catch (thrown) {
        why = messageOf(thrown)
      }
      if (stop.aborted) return
      if (performance.now() - started_ms > SOUND_MS) backoff.reset()
      const wait_ms = backoff.next()
      this.#context.health.unwell(`not connected to ${address}: ${why}`)
      this.#context.log.warn('tcp_client', `${this.#context.where}: ${address}: ${why}; connecting again`)
      await delay(wait_ms, undefined, { signal: stop }).catch(() => {}) // The loop looks at `stop` itself.
    }
  }

  async #session(services: StreamServices, stop: AbortSignal): Promise<void> {
    const { host, port, tls, keep_alive } = this.#settings
    const socket: Socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls.options })
    const leave = (): void => {
      socket.destroy()
    }
    stop.addEventListener('abort', leave, { once: true })
    try {
      await once(socket, tls === undefined ? 'connect' : 'secureConnect', { signal: stop })
      socket.setKeepAlive(keep_alive)
      this.#context.health.well()
      this.#context.log.info('tcp_connected', `tcp reads from ${formatAddress(host, port)}`)
      await new StreamConnection(socket, formatAddress(host, port), services).done
    } finally {
      stop.removeEventListener('abort', leave)
      // What breaks from here on is nobody's concern.
      socket.on('error', () => {})
      socket.destroy()
    }
  }
}
