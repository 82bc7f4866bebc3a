import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket, type TlsOptions } from 'node:tls'
import type { Deliver, InputContext, Source } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import { unlessAborted, untilAborted } from '../../core/waiting.ts'
import type { CloseReason } from './closing.ts'
import { Connection, type ConnectionServices } from './connection.ts'
import { type Enrichment, EventMaker, type Peer } from './event.ts'
import type { Intake } from './intake.ts'
import { type BeatsMetrics, createBeatsMetrics } from './metrics.ts'
import { describeHandshakeFailure, describePeerTls } from './tls.ts'
import type { WindowLimits } from './window.ts'

export interface BeatsSettings {
  readonly host: string
  readonly port: number
  readonly tls: TlsOptions | undefined
  readonly enrichment: Enrichment
  readonly codec_name: string
  readonly limits: WindowLimits
  readonly max_connections: number
  readonly inactivity_ms: number
  readonly keep_alive_ms: number
  readonly intake: Intake
}

/** Listens for Beats and runs a `Connection` for each. */
export class BeatsServer implements Source {
  readonly #settings: BeatsSettings
  readonly #context: InputContext
  readonly #metrics: BeatsMetrics
  readonly #connections = new Set<Connection>()
  /** Every socket, also those that shake hands yet. */
  readonly #sockets = new Set<Socket>()

  constructor(settings: BeatsSettings, context: InputContext) {
    this.#settings = settings
    this.#context = context
    this.#metrics = createBeatsMetrics(context.metrics, context.id, () => this.#connections.size)
  }

  async run(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    if (stop.aborted) return
    const { limits, intake, keep_alive_ms, inactivity_ms } = this.#settings
    const services: ConnectionServices = {
      context: this.#context,
      metrics: this.#metrics,
      deliver,
      abandon,
      limits,
      intake,
      keep_alive_ms,
      inactivity_ms,
    }
    const server = this.#createServer((socket) => this.#connected(socket, services))
    await this.#listen(server)
    await untilAborted(stop)
    await this.#close(server, abandon)
  }

  #createServer(connected: (socket: Socket) => void): Server {
    const { tls } = this.#settings
    // A client that has said all may still wait for its acks.
    const options = { allowHalfOpen: true, noDelay: true }
    const server =
      tls === undefined
        ? createServer(options, connected)
        : createTlsServer({ ...options, ...tls }, connected).on('tlsClientError', (error, socket) => {
            this.#closed('tls_handshake_failed')
            this.#context.log.warn('beats_tls_handshake', `refused ${addressOf(socket)}: ${describeHandshakeFailure(error)}`)
          })
    server.maxConnections = this.#settings.max_connections
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('drop', (dropped) => {
      this.#closed('too_many_connections')
      this.#context.log.warn(
        'beats_too_many_connections',
        `refused ${dropped?.remoteAddress}: there are max_connections = ${this.#settings.max_connections} already; raise it if they are real`,
      )
    })
    return server
  }

  async #listen(server: Server): Promise<void> {
    const { host, port } = this.#settings
    try {
      server.listen({ host, port })
      await once(server, 'listening')
    } catch (thrown) {
      throw new MillraceError('INPUT_CANNOT_START', `beats can not listen on ${formatAddress(host, port)}: ${adviseOn(thrown)}`, {
        cause: thrown,
      })
    }
    // Accepting failed, mostly for want of file handles: the clients try again.
    server.on('error', (error) => this.#context.log.error('beats_listener', `beats listener: ${messageOf(error)}`))
    const at = server.address()
    const bound = typeof at === 'object' && at !== null ? at.port : port
    this.#context.addresses.listening(this.#context.id, formatAddress(host, bound))
    this.#context.log.info('beats_listening', `beats listens on ${formatAddress(host, bound)}`)
  }

  #connected(socket: Socket, services: ConnectionServices): void {
    const peer = peerOf(socket)
    const { enrichment, codec_name } = this.#settings
    const maker = new EventMaker(this.#context, enrichment, codec_name, peer)
    const connection = new Connection(socket, peer.address, maker, services)
    // Never rejects, and `run` waits for the connection itself; what is left to do when it is closed is counting.
    void this.#follow(connection, peer)
  }

  async #follow(connection: Connection, peer: Peer): Promise<void> {
    this.#connections.add(connection)
    const reason = await connection.closed
    this.#connections.delete(connection)
    this.#closed(reason)
    this.#context.log.debug('beats_closed', `connection from ${peer.address} closed: ${reason}`)
  }

  #closed(reason: CloseReason): void {
    this.#metrics.closed.get(reason)?.inc()
  }

  async #close(server: Server, abandon: AbortSignal): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    const connections = [...this.#connections]
    for (const connection of connections) connection.stop()
    try {
      await unlessAborted(Promise.all(connections.map((connection) => connection.closed)), abandon)
    } catch {
      for (const connection of connections) connection.abandon()
    }
    // Those that never got as far as a connection.
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

function peerOf(socket: Socket): Peer {
  const tls = socket instanceof TLSSocket ? describePeerTls(socket) : undefined
  return { ip: ipOf(socket), address: addressOf(socket), tls }
}

function ipOf(socket: Socket): string {
  // A v4 client of a v6 listener; a client that is gone already has no address any more.
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '')
}

function addressOf(socket: Socket): string {
  return formatAddress(ipOf(socket), socket.remotePort ?? 0)
}

function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function adviseOn(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  if (code === 'EADDRINUSE') return 'another program listens there (EADDRINUSE): stop it or choose another port'
  if (code === 'EACCES') return 'not allowed (EACCES): choose a port above 1023'
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address (EADDRNOTAVAIL): check host'
  return messageOf(thrown)
}
