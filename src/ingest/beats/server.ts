import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import type { Binding, Deliver, InputContext, Source } from '../../core/contracts.ts'
import { unlessAborted, untilAborted } from '../../core/waiting.ts'
import { peerOf as addressOf, ipOf } from '../../network/address.ts'
import { ClientNameRefused } from '../../network/client-names.ts'
import { listen } from '../../network/listen.ts'
import { describePeerTls } from '../../network/peer-tls.ts'
import type { ServerCertificates } from '../../network/server-tls.ts'
import type { Intake } from '../intake.ts'
import type { CloseReason } from './closing.ts'
import { Connection } from './connection.ts'
import type { ConnectionServices } from './connection-services.ts'
import { type Enrichment, EventMaker, type Peer } from './event.ts'
import { type BeatsMetrics, createBeatsMetrics } from './metrics.ts'
import { describeHandshakeFailure } from './tls.ts'
import type { WindowLimits } from './window.ts'

export interface BeatsSettings {
  readonly host: string
  readonly port: number
  readonly tls: ServerCertificates | undefined
  readonly enrichment: Enrichment
  readonly codec_name: string
  readonly limits: WindowLimits
  readonly max_connections: number
  readonly inactivity_ms: number
  readonly keep_alive_ms: number
  readonly intake: Intake
}

/** What was received and not decoded yet may take an eighth of the budget for events, on top of it; compressed, that is many windows. */
const RECEIVED_PART = 8

/** Listens for Beats and runs a `Connection` for each. */
export class BeatsServer implements Source {
  readonly spreads = true
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

  get bindings(): readonly Binding[] {
    return [{ protocol: 'tcp', host: this.#settings.host, port: this.#settings.port }]
  }

  async run(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    if (stop.aborted) return
    const { limits, intake, keep_alive_ms, inactivity_ms } = this.#settings
    using _share = intake.share(this.#context.max_in_flight_bytes / RECEIVED_PART)
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
    const { host, port } = this.#settings
    // A client that has said all may still wait for its acks.
    const sockets = { allow_half_open: true, no_delay: true }
    await listen(
      server,
      { name: 'beats', host, port, code: 'INPUT_CANNOT_START', certificates: this.#settings.tls, ...sockets },
      this.#context,
    )
    await untilAborted(stop)
    await this.#close(server, abandon)
  }

  #createServer(connected: (socket: Socket) => void): Server {
    const { tls } = this.#settings
    const server =
      tls === undefined
        ? createServer(connected)
        : createTlsServer(tls.options, connected).on('tlsClientError', (error, socket) => {
            this.#closed(error instanceof ClientNameRefused ? 'client_name_refused' : 'tls_handshake_failed')
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
    for (const connection of connections) connection.finish()
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
