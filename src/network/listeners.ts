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
  /** The last one gets what comes; should it leave, the one before it does again. */
  readonly holders: H[]
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

/** Connections that the system keeps until they are taken: over that it resets them, and a whole fleet may come back at once. It takes its own limit (somaxconn) where that is less. */
const BACKLOG = 4_096

/**
 * The addresses that this process listens on. They belong to no input, so that a reload hands them on: the system never sees
 * them closed, and no connection is refused. A server gets its connections by the event `connection`, as from a listener of its own.
 */
class Listeners {
  readonly #tcp = new Map<string, TcpDoor>()
  readonly #udp = new Map<string, UdpDoor>()
  #is_shared = false

  /** Other threads of this process listen on the same addresses: the system spreads connections over them. */
  share(): void {
    this.#is_shared = true
  }

  /**
   * Makes sure that an address can be claimed, also from those who have it now; opens it where nobody has.
   * @throws the system's error
   */
  async reserve({ protocol, host, port }: Binding): Promise<Reservation> {
    // Any free port is another one each time.
    if (port === 0) return { cancel: () => {} }
    const key = formatAddress(host, port)
    const doors: Map<string, Door<unknown>> = protocol === 'tcp' ? this.#tcp : this.#udp
    const open = async (): Promise<Door<unknown>> =>
      protocol === 'tcp' ? await this.#openTcp(host, port) : await this.#openUdp(host, port, undefined)
    const door = doors.get(key) ?? (await open())
    door.reserved++
    return {
      cancel: () => {
        if (door.reserved > 0) door.reserved--
        this.#closeIfIdle(doors, key, door)
      },
    }
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
    door.holders.push(holder)
    server.once('close', () => {
      leave(door, holder)
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
    door.holders.push(holder)
    return {
      port: door.port,
      leave: () => {
        leave(door, holder)
        this.#closeIfIdle(this.#udp, formatAddress(host, door.port), door)
      },
    }
  }

  #closeIfIdle(doors: Map<string, Door<unknown>>, key: string, door: Door<unknown>): void {
    if (door.reserved > 0 || door.holders.length > 0 || doors.get(key) !== door) return
    doors.delete(key)
    door.close()
  }

  async #openTcp(host: string, port: number): Promise<TcpDoor> {
    const raw = createServer({ allowHalfOpen: true })
    raw.listen({ host, port, reusePort: this.#is_shared, backlog: BACKLOG })
    await once(raw, 'listening')
    const at = raw.address()
    const waiting: Socket[] = []
    const close = (): void => {
      for (const socket of waiting.splice(0)) socket.destroy()
      raw.close()
    }
    const bound = typeof at === 'object' && at !== null ? at.port : port
    const door: TcpDoor = { port: bound, holders: [], reserved: 0, close, waiting }
    raw.on('error', (error) => door.holders.at(-1)?.failed(error))
    raw.on('connection', (socket) => {
      const holder = door.holders.at(-1)
      if (holder !== undefined) holder.connected(socket)
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
    const door: UdpDoor = { port: bound, holders: [], reserved: 0, close: () => socket.close(), socket }
    socket.on('message', (bytes, from) => door.holders.at(-1)?.receive(bytes, from))
    socket.on('error', (error) => door.holders.at(-1)?.failed(error))
    this.#udp.set(formatAddress(host, bound), door)
    return door
  }
}

/** An address that is kept open for whoever will claim it. */
export interface Reservation {
  /** Where nobody has, it is not kept any longer. */
  cancel(): void
}

/** Sockets are the process's, and so are these. */
export const listeners = new Listeners()

function leave<H>({ holders }: Door<H>, holder: H): void {
  const index = holders.indexOf(holder)
  if (index >= 0) holders.splice(index, 1)
}

function inUse(): Error {
  return Object.assign(new Error('address already in use by this program'), { code: 'EADDRINUSE' })
}
