import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { formatAddress, ipOf } from '../../network/address.ts'
import { describePeerTls, type PeerTls } from '../../network/peer-tls.ts'
import { takeProxyHeader } from './proxy-header.ts'

/** Who is at the other end of a stream. */
export interface StreamPeer {
  readonly ip: string
  readonly port: number | string
  /** Where a load balancer told it, on its own side. */
  readonly proxy: { readonly ip: string; readonly port: string } | undefined
  readonly tls: PeerTls | undefined
}

/** What becomes of the bytes of one connection. */
export interface StreamConsumer {
  /** Memory that is held of what has no end yet. */
  readonly pending_bytes: number
  /** A line has begun and not ended: its sender is expected to go on. */
  readonly is_mid_line: boolean
  /** Lines that have ended so far. */
  readonly ended_lines: number
  /** Resolves when there is room for more. */
  take(piece: Buffer): Promise<void>
  /** The stream has ended: what is left over counts. */
  finish(): Promise<void>
}

/** The beginning of a stream, which may tell who sends. */
export class StreamOpening {
  #peer: StreamPeer
  /** Of the first line, while it is not complete. */
  #first: Buffer | undefined

  /** @param proxy_protocol the first line tells who */
  constructor(socket: Socket, proxy_protocol: boolean) {
    const tls = socket instanceof TLSSocket ? describePeerTls(socket) : undefined
    // At once: a connection that was closed meanwhile does not know any more.
    this.#peer = { ip: ipOf(socket), port: socket.remotePort ?? 0, proxy: undefined, tls }
    if (proxy_protocol) this.#first = Buffer.alloc(0)
  }

  get peer(): StreamPeer {
    return this.#peer
  }

  get pending_bytes(): number {
    return this.#first?.length ?? 0
  }

  /**
   * @returns what stands behind the beginning; `undefined` while that is not complete
   * @throws Error where the first line is not what it must be
   */
  take(piece: Buffer): Buffer | undefined {
    if (this.#first === undefined) return piece
    this.#first = Buffer.concat([this.#first, piece])
    const begun = takeProxyHeader(this.#first)
    if (begun === undefined) return undefined
    this.#first = undefined
    const { header, rest } = begun
    if (header !== undefined) {
      const { client_ip, client_port, proxy_ip, proxy_port } = header
      this.#peer = { ...this.#peer, ip: client_ip, port: client_port, proxy: { ip: proxy_ip, port: proxy_port } }
    }
    return rest
  }
}

/** For messages and origins. */
export function describeStreamPeer({ ip, port }: StreamPeer): string {
  return formatAddress(ip, Number(port))
}

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE'])

/** Whether an error means only that the other side, or we, ended the connection: the usual end of one. */
export function isBroken(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && BROKEN.has(String(thrown.code))
}
