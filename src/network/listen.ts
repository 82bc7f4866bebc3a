import type { Server } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { Context } from '../core/context.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import { formatAddress } from './address.ts'
import { followCertificates } from './certificates.ts'
import { admitOnly, ClientNameRefused } from './client-names.ts'
import { listeners, type SocketSettings } from './listeners.ts'
import type { ServerCertificates } from './server-tls.ts'

export interface ListenOptions extends Partial<SocketSettings> {
  /** For messages: `beats`. */
  readonly name: string
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  readonly code: 'INPUT_CANNOT_START' | 'OUTPUT_CANNOT_START'
  /** Of a server that speaks TLS. */
  readonly certificates?: ServerCertificates | undefined
}

/**
 * Has the connections to an address handed to the server until it closes, tells so, and returns the port. The server itself
 * never listens.
 * @throws MillraceError of the given code, with advice
 */
export async function listen(server: Server, options: ListenOptions, context: Context): Promise<number> {
  const { name, host, port, code, allow_half_open = false, no_delay = false, keep_alive = false } = options
  const { certificates } = options
  const speaks_tls = certificates !== undefined && server instanceof TlsServer
  // Before the first connection comes.
  if (speaks_tls) refuseClients(server, certificates, context)
  let bound: number
  try {
    bound = await listeners.claimTcp(server, host, port, { allow_half_open, no_delay, keep_alive })
  } catch (thrown) {
    throw new MillraceError(code, `${name} can not listen on ${formatAddress(host, port)}: ${adviseOnListening(thrown)}`, {
      cause: thrown,
    })
  }
  // Accepting failed, mostly for want of file handles: the clients try again.
  server.on('error', (error) => context.log.error(`${name}_listener`, `${name} listener: ${messageOf(error)}`))
  if (speaks_tls) followCertificates(server, certificates, name, context)
  tellListening(name, host, bound, context)
  return bound
}

/** Counts clients that fail in the handshake, and those that are of another name, which are closed then. */
function refuseClients(server: TlsServer, { client_names }: ServerCertificates, { id, metrics }: Context): void {
  if (client_names !== undefined) admitOnly(server, client_names)
  const [handshake, client_name] = ['handshake', 'client_name'].map((reason) =>
    metrics.counter('millrace_tls_refused_connections_total', 'Connections that TLS refused, by reason.', {
      component: id,
      reason,
    }),
  )
  server.on('tlsClientError', (error) => (error instanceof ClientNameRefused ? client_name : handshake)?.inc())
}

/** Tells where a component can be reached from now on. */
export function tellListening(name: string, host: string, port: number, context: Context): void {
  context.addresses.listening(context.id, formatAddress(host, port))
  context.log.info(`${name}_listening`, `${name} listens on ${formatAddress(host, port)}`)
}

/** Why listening failed, and what to do. */
export function adviseOnListening(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  if (code === 'EADDRINUSE') return 'another program listens there (EADDRINUSE): stop it or choose another port'
  if (code === 'EACCES') return 'not allowed (EACCES): choose a port above 1023'
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address (EADDRNOTAVAIL): check host'
  return messageOf(thrown)
}
