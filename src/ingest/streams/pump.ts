import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { formatAddress, ipOf } from '../../network/address.ts'
import { describePeerTls, type PeerTls } from '../../network/peer-tls.ts'
import { type ProxyHeader, takeProxyHeader } from './proxy-header.ts'

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
  readonly pending_bytes: number
  /** Resolves when there is room for more. */
  take(piece: Buffer): Promise<void>
  /** The stream has ended: what is left over counts. */
  finish(): Promise<void>
}

/**
 * Reads a connection to its end, also where that is a break, and hands what comes to the consumer that `accept` makes
 * once it is known who sends.
 * @param proxy_protocol the first line tells who
 * @param taken called after each piece
 * @throws Error where the first line is not what it must be
 */
export async function pump(
  socket: Socket,
  proxy_protocol: boolean,
  accept: (peer: StreamPeer) => Promise<StreamConsumer>,
  taken: (consumer: StreamConsumer) => void = () => {},
): Promise<void> {
  let consumer: StreamConsumer | undefined
  let first = Buffer.alloc(0)
  try {
    for await (const piece of socket as AsyncIterable<Buffer>) {
      let bytes = piece
      if (consumer === undefined) {
        first = Buffer.concat([first, piece])
        const begun = proxy_protocol ? takeProxyHeader(first) : { header: undefined, rest: first }
        if (begun === undefined) continue
        consumer = await accept(peerOf(socket, begun.header))
        bytes = begun.rest
      }
      if (bytes.length > 0) await consumer.take(bytes)
      taken(consumer)
    }
  } catch (thrown) {
    if (!isBroken(thrown)) throw thrown
  } finally {
    await consumer?.finish()
  }
}

function peerOf(socket: Socket, header: ProxyHeader | undefined): StreamPeer {
  const tls = socket instanceof TLSSocket ? describePeerTls(socket) : undefined
  if (header === undefined) return { ip: ipOf(socket), port: socket.remotePort ?? 0, proxy: undefined, tls }
  const { client_ip, client_port, proxy_ip, proxy_port } = header
  return { ip: client_ip, port: client_port, proxy: { ip: proxy_ip, port: proxy_port }, tls }
}

/** For messages and origins. */
export function describeStreamPeer({ ip, port }: StreamPeer): string {
  return formatAddress(ip, Number(port))
}

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE'])

/** Whether an error means only that the other side, or we, ended the connection: the usual end of one. */
function isBroken(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && BROKEN.has(String(thrown.code))
}
