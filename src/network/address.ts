import type { Socket } from 'node:net'

/** `10.0.0.7:5044`, `[fe80::1]:5044`. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The address of the other side; `unknown` where it is gone already. */
export function ipOf(socket: Pick<Socket, 'remoteAddress'>): string {
  return plainIp(socket.remoteAddress ?? 'unknown')
}

/** An address of version 4 as such, also where a listener of version 6 wrote it in its own way. */
export function plainIp(ip: string): string {
  return ip.replace(/^::ffff:(?=\d+\.)/, '')
}

/** Address and port of the other side. */
export function peerOf(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return formatAddress(ipOf(socket), socket.remotePort ?? 0)
}
