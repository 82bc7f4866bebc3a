import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Binding } from '../core/contracts.ts'
import { formatAddress } from './address.ts'

/** How sockets are set up for the server that gets them. */
export interface SocketSettings {
  readonly allow_half_open: boolean
  readonly no_delay: boolean
  readonly keep_alive: boolean
}

/** Whoever gets what comes to an address. */
interface Holder {
  readonly connected: (socket: Socket) => void
  readonly failed: (error: Error) => void
}

/** The same for datagrams. */
interface DatagramHolder {
  readonly receive: (bytes: Buffer, from: RemoteInfo) => void
  readonly failed: (error: Error) => void
}

interface Door<H> {
  readonly port: number
  holder: H | undefined
  /** Those who will come for it: as long as there is one it stays open, and changes hands. */
  reserved: number
  close(): void
}

/** Connections that came before somebody was there for them; that takes milliseconds. */
interface TcpDoor extends Door<Holder> {
  readonly waiting: Socket[]
}

interface UdpDoor extends Door<DatagramHolder> {
  readonly socket: UdpSocket
}

/** More than a listener's backlog are an accident. */
const WAITING_MAX = 511

/**
 * The addresses that this process listens on. They belong to no input, so that a reload hands them on: the system never sees
 * them closed, and no connection is refused. A server gets its connections by the event `connection`, as from a listener of its own.
 */
export class Listeners {
  readonly #tcp = new Map<string, TcpDoor>()
  readonly #udp = new Map<string, UdpDoor>()

  /**
   * Opens what is not open yet, and makes sure that all of it can be claimed, also from those who have it now.
   * @throws the system's error, with nothing reserved
   */
  async reserve(bindings: readonly Binding[]): Promise<Reservation> {
    const doors: { key: string; binding: Binding; door: Door<unknown> }[] = []
    const cancel = (): void => {
      for (const { key, binding, door } of doors.splice(0)) {
        if (door.reserved === 0) continue
        door.reserved--
        this.#closeIfIdle(binding.protocol === 'tcp' ? this.#tcp : this.#udp, key, door)
      }
    }
    try {
      for (const binding of bindings) {
        // Any free port is another one each time.
        if (binding.port === 0) continue
        const key = formatAddress(binding.host, binding.port)
        const door =
          binding.protocol === 'tcp'
            ? (this.#tcp.get(key) ?? (await this.#openTcp(binding.host, binding.port)))
            : (this.#udp.get(key) ?? (await this.#openUdp(binding.host, binding.port, undefined)))
        door.reserved++
        doors.push({ key, binding, door })
      }
    } catch (thrown) {
      cancel()
      throw thrown
    }
    return { cancel }
  }

  /**
   * Connections to an address go to this server from now on, until it closes. Returns the port.
   * @throws the system's error; or EADDRINUSE where another server of this process has the address and does not hand it on
   */
  async claimTcp(server: Server, host: string, port: number, settings: SocketSettings): Promise<number> {
    const known = port === 0 ? undefined : this.#tcp.get(formatAddress(host, port))
    if (known !== undefined && known.reserved === 0) throw inUse()
    const door = known ?? (await this.#openTcp(host, port))
    if (known !== undefined) known.reserved--
    let count = 0
    const holder: Holder = {
      connected: (socket) => {
        if (count >= (server.maxConnections ?? Number.POSITIVE_INFINITY)) {
          const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = socket
          server.emit('drop', { remoteAddress, remotePort, remoteFamily, localAddress, localPort })
          socket.destroy()
          return
        }
        count++
        socket.once('close', () => count--)
        socket.allowHalfOpen = settings.allow_half_open
        if (settings.no_delay) socket.setNoDelay(true)
        if (settings.keep_alive) socket.setKeepAlive(true)
        server.emit('connection', socket)
      },
      failed: (error) => server.emit('error', error),
    }
    door.holder = holder
    server.once('close', () => {
      if (door.holder !== holder) return
      door.holder = undefined
      this.#closeIfIdle(this.#tcp, formatAddress(host, door.port), door)
    })
    // A server of HTTP begins to look after its connections then.
    server.emit('listening')
    for (const socket of door.waiting.splice(0)) holder.connected(socket)
    return door.port
  }

  /** The same for datagrams. The holder gets them until `leave` is called. */
  async claimUdp(
    host: string,
    port: number,
    receive_buffer_bytes: number | undefined,
    holder: DatagramHolder,
  ): Promise<{ readonly port: number; readonly leave: () => void }> {
    const known = port === 0 ? undefined : this.#udp.get(formatAddress(host, port))
    if (known !== undefined && known.reserved === 0) throw inUse()
    const door = known ?? (await this.#openUdp(host, port, receive_buffer_bytes))
    if (known !== undefined) {
      known.reserved--
      if (receive_buffer_bytes !== undefined) known.socket.setRecvBufferSize(receive_buffer_bytes)
    }
    door.holder = holder
    const leave = (): void => {
      if (door.holder !== holder) return
      door.holder = undefined
      this.#closeIfIdle(this.#udp, formatAddress(host, door.port), door)
    }
    return { port: door.port, leave }
  }

  #closeIfIdle(doors: Map<string, Door<unknown>>, key: string, door: Door<unknown>): void {
    if (door.reserved > 0 || door.holder !== undefined || doors.get(key) !== door) return
    doors.delete(key)
    door.close()
  }

  async #openTcp(host: string, port: number): Promise<TcpDoor> {
    const raw = createServer({ allowHalfOpen: true })
    raw.listen({ host, port })
    await once(raw, 'listening')
    const at = raw.address()
    const waiting: Socket[] = []
    const close = (): void => {
      for (const socket of waiting.splice(0)) socket.destroy()
      raw.close()
    }
    const bound = typeof at === 'object' && at !== null ? at.port : port
    const door: TcpDoor = { port: bound, holder: undefined, reserved: 0, close, waiting }
    raw.on('error', (error) => door.holder?.failed(error))
    raw.on('connection', (socket) => {
      if (door.holder !== undefined) door.holder.connected(socket)
      else if (waiting.length < WAITING_MAX) waiting.push(socket)
      else socket.destroy()
    })
    this.#tcp.set(formatAddress(host, bound), door)
    return door
  }

  async #openUdp(host: string, port: number, receive_buffer_bytes: number | undefined): Promise<UdpDoor> {
    const socket = createSocket({
      type: isIPv6(host) ? 'udp6' : 'udp4',
      ...(receive_buffer_bytes === undefined ? {} : { recvBufferSize: receive_buffer_bytes }),
    })
    try {
      socket.bind({ address: host, port, exclusive: true })
      await once(socket, 'listening')
    } catch (thrown) {
      socket.close()
      throw thrown
    }
    const bound = socket.address().port
    const door: UdpDoor = { port: bound, holder: undefined, reserved: 0, close: () => socket.close(), socket }
    socket.on('message', (bytes, from) => door.holder?.receive(bytes, from))
    socket.on('error', (error) => door.holder?.failed(error))
    this.#udp.set(formatAddress(host, bound), door)
    return door
  }
}

/** Addresses that are kept open for those who will claim them. */
export interface Reservation {
  /** What nobody has claimed is not kept any longer. */
  cancel(): void
}

/** Sockets are the process's, and so are these. */
export const listeners = new Listeners()

function inUse(): Error {
  return Object.assign(new Error('address already in use by this program'), { code: 'EADDRINUSE' })
}
