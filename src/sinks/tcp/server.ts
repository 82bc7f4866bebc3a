import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { type Binding, type Outcome, type OutputContext, type Sink, STORED, type WriteResult } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { startTimer } from '../../core/waiting.ts'
import { peerOf } from '../../network/address.ts'
import { listen } from '../../network/listen.ts'
import type { ServerCertificates } from '../../network/server-tls.ts'
import { sendText } from './send.ts'

export interface TcpServerSettings {
  readonly host: string
  readonly port: number
  readonly tls: ServerCertificates | undefined
  readonly max_connections: number
  /** A client that does not take a batch within this time loses its connection. */
  readonly send_timeout_ms: number
}

const NOBODY: Outcome = { kind: 'drop', reason: 'tcp_no_client' }

/** Sends every event to all clients that are connected at that moment. */
export class TcpServerSink implements Sink {
  // A client gets all events.
  readonly is_single = true
  readonly batching = { events_max: 2_048, bytes_max: 1024 * 1024, concurrency: 1 }
  readonly #settings: TcpServerSettings
  readonly #context: OutputContext
  readonly #server: Server
  readonly #clients = new Set<Socket>()
  #is_listening = false

  constructor(settings: TcpServerSettings, context: OutputContext) {
    this.#settings = settings
    this.#context = context
    const connected = (socket: Socket): void => this.#connected(socket)
    this.#server = settings.tls === undefined ? createServer(connected) : createTlsServer(settings.tls.options, connected)
    this.#server.maxConnections = settings.max_connections
    this.#server.on('tlsClientError', (error: Error, socket: Socket) => {
      context.log.warn('tcp_tls_handshake', `refused ${peerOf(socket)}: ${messageOf(error)}`)
    })
    const help = 'Clients that get the events of a tcp output.'
    context.metrics.gauge('millrace_tcp_output_clients', help, { output: context.id }, () => this.#clients.size)
  }

  get bindings(): readonly Binding[] {
    return [{ protocol: 'tcp', host: this.#settings.host, port: this.#settings.port }]
  }

  async open(): Promise<void> {
    const { host, port } = this.#settings
    await listen(
      this.#server,
      { name: 'tcp', host, port, code: 'OUTPUT_CANNOT_START', certificates: this.#settings.tls },
      this.#context,
    )
    this.#is_listening = true
  }

  async write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    const text = events.map((event) => this.#context.encoder.encode(event)).join('')
    const sent = await Promise.all([...this.#clients].map((client) => this.#send(client, text, signal)))
    signal.throwIfAborted()
    const outcome = sent.includes(true) ? STORED : NOBODY
    return { outcomes: events.map(() => outcome) }
  }

  async close(): Promise<void> {
    if (!this.#is_listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const client of this.#clients) client.destroySoon()
    await closed
  }

  #connected(socket: Socket): void {
    this.#clients.add(socket)
    socket.once('close', () => this.#clients.delete(socket))
    socket.on('error', (error) => this.#context.log.debug('tcp_connection', `${peerOf(socket)}: ${messageOf(error)}`))
    // What clients say is of no interest.
    socket.resume()
  }

  /** Whether the client has taken it. Never rejects. */
  async #send(client: Socket, text: string, signal: AbortSignal): Promise<boolean> {
    const { send_timeout_ms } = this.#settings
    const slow = startTimer(() => {
      this.#context.log.warn(
        'tcp_slow_client',
        `${this.#context.where}: closed the connection from ${peerOf(client)}: it has not taken what was sent within ${send_timeout_ms / 1_000} s`,
      )
      client.destroy()
    }, send_timeout_ms)
    try {
      await sendText(client, text, signal)
      return true
    } catch {
      // It has gone, or is being left: the others get their events.
      return false
    } finally {
      clearTimeout(slow)
    }
  }
}
