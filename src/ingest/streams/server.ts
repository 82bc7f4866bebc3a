import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { InputContext } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import { peerOf } from '../../network/address.ts'
import { listen } from '../../network/listen.ts'
import type { ServerCertificates } from '../../network/server-tls.ts'
import { pump, type StreamConsumer, type StreamPeer } from './pump.ts'

type Accept = (peer: StreamPeer) => Promise<StreamConsumer>

export interface StreamServerSettings {
  /** For messages and metrics: `tcp`. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly tls: ServerCertificates | undefined
  readonly max_connections: number
  /** What unfinished lines of all connections may take together; then the one with the largest is closed. */
  readonly max_pending_bytes: number
  readonly keep_alive: boolean
  /** So long without a byte closes a connection; 0 or nothing: never. */
  readonly inactivity_ms?: number
  readonly proxy_protocol: boolean
}

interface Connection {
  readonly socket: Socket
  pending_bytes: number
}

/** Accepts connections that send and are never answered, and hands what comes to a consumer each. */
export class StreamServer {
  readonly #settings: StreamServerSettings
  readonly #context: InputContext
  readonly #accept: Accept
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Set<Connection>()
  readonly #serving = new Set<Promise<void>>()

  constructor(settings: StreamServerSettings, context: InputContext, accept: Accept) {
    this.#settings = settings
    this.#context = context
    this.#accept = accept
    this.#server = this.#createServer()
    const help = 'Connections that are open.'
    const read = (): number => this.#connections.size
    context.metrics.gauge(`millrace_${settings.name}_connections`, help, { input: context.id }, read)
  }

  /** Resolves with the port. @throws MillraceError INPUT_CANNOT_START */
  listen(): Promise<number> {
    const { name, host, port, keep_alive } = this.#settings
    return listen(
      this.#server,
      { name, host, port, code: 'INPUT_CANNOT_START', keep_alive, certificates: this.#settings.tls },
      this.#context,
    )
  }

  /** Reads no more. Resolves when what was read is handed on. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#serving)
    await closed
  }

  #createServer(): Server {
    const { tls, max_connections, name } = this.#settings
    const connected = (socket: Socket): void => {
      const serving = this.#serve(socket).finally(() => this.#serving.delete(serving))
      this.#serving.add(serving)
    }
    const server = tls === undefined ? createServer(connected) : createTlsServer(tls.options, connected)
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      this.#context.log.warn(`${name}_tls_handshake`, `refused ${peerOf(socket)}: ${messageOf(error)}`)
    })
    server.maxConnections = max_connections
    server.on('drop', (dropped) => {
      this.#context.log.warn(
        `${name}_too_many_connections`,
        `refused ${dropped?.remoteAddress}: there are max_connections = ${max_connections} already; raise it if they are real`,
      )
    })
    // Also those that shake hands yet.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    return server
  }

  /** Never rejects. */
  async #serve(socket: Socket): Promise<void> {
    const connection: Connection = { socket, pending_bytes: 0 }
    const address = peerOf(socket)
    this.#connections.add(connection)
    socket.setTimeout(this.#settings.inactivity_ms ?? 0, () => {
      // While the pipeline holds it back the silence is ours.
      if (socket.readableLength > 0) return
      this.#context.log.debug(
        `${this.#settings.name}_silent`,
        `closed the connection from ${address}: it said nothing for too long`,
      )
      socket.end()
      socket.destroySoon()
    })
    try {
      const taken = ({ pending_bytes }: StreamConsumer): void => this.#limitPending(connection, pending_bytes)
      await pump(socket, this.#settings.proxy_protocol, this.#accept, taken)
      this.#context.log.debug(`${this.#settings.name}_closed`, `connection from ${address} closed`)
    } catch (thrown) {
      this.#context.log.warn(`${this.#settings.name}_connection`, `closed the connection from ${address}: ${messageOf(thrown)}`)
    } finally {
      socket.destroy()
      this.#connections.delete(connection)
    }
  }

  #limitPending(connection: Connection, pending_bytes: number): void {
    connection.pending_bytes = pending_bytes
    let total = 0
    if (pending_bytes === 0) return
    let largest = connection
    for (const other of this.#connections) {
      total += other.pending_bytes
      if (other.pending_bytes > largest.pending_bytes) largest = other
    }
    if (total <= this.#settings.max_pending_bytes) return
    this.#context.log.warn(
      `${this.#settings.name}_pending`,
      `closed the connection from ${peerOf(largest.socket)}: its line has ${largest.pending_bytes} bytes without an end, and the unfinished lines together more than max_pending_bytes`,
    )
    largest.socket.destroy()
  }
}
