import type { PeerCertificate, TLSSocket } from 'node:tls'

export interface PeerTls {
  readonly protocol: string
  readonly cipher_suite: string
  /** Of a client certificate that was verified. */
  readonly subject: string | undefined
}

/** What the handshake, which is over, found out about the client. */
export function describePeerTls(socket: TLSSocket): PeerTls {
  // The types do not say so, but a client that left at once has no cipher any more.
  const cipher = socket.getCipher() as { readonly standardName: string } | undefined
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher_suite: cipher?.standardName ?? 'unknown',
    subject: socket.authorized ? formatSubject(socket.getPeerCertificate()) : undefined,
  }
}

/** As RFC 2253 writes it, the most specific part first: `CN=web1,O=Example`. */
function formatSubject(certificate: PeerCertificate | null): string {
  const parts: string[] = []
  for (const [name, value] of Object.entries(certificate?.subject ?? {})) {
    for (const one of [value].flat()) if (one !== undefined) parts.push(`${name}=${one.replace(/[,+"\\<>;]/g, '\\$&')}`)
  }
  return parts.reverse().join(',')
}
