import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { InputContext } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import { peerOf } from '../../network/address.ts'
import { listen } from '../../network/listen.ts'
import type { ServerCertificates } from '../../network/server-tls.ts'
import { StreamConnection, type StreamServices } from './connection.ts'
import { type StreamSettings, streamServices } from './services.ts'

export interface StreamServerSettings extends StreamSettings {
  readonly host: string
  readonly port: number
  readonly tls: ServerCertificates | undefined
  readonly max_connections: number
  readonly keep_alive: boolean
}

/** Accepts connections that send and are never answered, and hands what comes to a consumer each. */
export class StreamServer {
  readonly #settings: StreamServerSettings
  readonly #context: InputContext
  readonly #services: StreamServices & Disposable
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Those of them that are read. */
  readonly #connections = new Set<StreamConnection>()
  readonly #serving = new Set<Promise<void>>()

  constructor(settings: StreamServerSettings, context: InputContext, accept: StreamServices['accept']) {
    this.#settings = settings
    this.#context = context
    this.#services = streamServices(settings, context, accept)
    this.#server = this.#createServer()
    const help = 'Connections that are open.'
    const read = (): number => this.#connections.size
    context.metrics.gauge(`millrace_${settings.name}_connections`, help, { input: context.id }, read)
  }

  /** Resolves with the port. @throws MillraceError INPUT_CANNOT_START */
  async listen(): Promise<number> {
    const { name, host, port, keep_alive } = this.#settings
    const options = { name, host, port, code: 'INPUT_CANNOT_START', keep_alive, certificates: this.#settings.tls } as const
    try {
      return await listen(this.#server, options, this.#context)
    } catch (thrown) {
      this.#services[Symbol.dispose]()
      throw thrown
    }
  }

  /** Reads no more. Resolves when what was read is handed on. */
  async close(): Promise<void> {
    using _shares = this.#services
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.hangUp()
    // Those that shake hands yet.
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#serving)
    await closed
  }

  #createServer(): Server {
    const { tls, max_connections, name } = this.#settings
    const connected = (socket: Socket): void => {
      const serving = this.#serve(socket, this.#services).finally(() => this.#serving.delete(serving))
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
  async #serve(socket: Socket, services: StreamServices): Promise<void> {
    const { name } = this.#settings
    const connection = new StreamConnection(socket, peerOf(socket), services)
    const { address } = connection
    this.#connections.add(connection)
    try {
      await connection.done
      this.#context.log.debug(`${name}_closed`, `connection from ${address} closed`)
    } catch (thrown) {
      this.#context.log.warn(`${name}_connection`, `closed the connection from ${address}: ${messageOf(thrown)}`)
    } finally {
      this.#connections.delete(connection)
    }
  }
}
