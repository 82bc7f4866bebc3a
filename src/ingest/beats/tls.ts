import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext, type PeerCertificate, type TLSSocket, type TlsOptions } from 'node:tls'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Secret } from '../../core/secret.ts'
import type { PeerTls } from './event.ts'

/** The options that make the listener speak TLS. */
export interface SslOptions {
  readonly ssl_enabled: boolean
  readonly ssl_certificate: string | undefined
  readonly ssl_key: string | undefined
  readonly ssl_key_passphrase: Secret | undefined
  readonly ssl_certificate_authorities: readonly string[]
  readonly ssl_client_authentication: 'none' | 'optional' | 'required'
  readonly ssl_handshake_timeout: number
  readonly ssl_supported_protocols: readonly string[]
  readonly ssl_cipher_suites: readonly string[]
}

const PROTOCOLS = ['TLSv1.2', 'TLSv1.3'] as const

/**
 * What Node's TLS server needs, files read; `undefined` where ssl is off.
 * @throws MillraceError INPUT_CANNOT_START for files and settings that do not fit together
 */
export function readTlsOptions(options: SslOptions, config_folder: string): TlsOptions | undefined {
  if (!options.ssl_enabled) return undefined
  const { ssl_certificate, ssl_key, ssl_client_authentication, ssl_certificate_authorities, ssl_supported_protocols } = options
  if (ssl_certificate === undefined || ssl_key === undefined) {
    throw refuse('ssl_enabled needs both ssl_certificate and ssl_key')
  }
  if (ssl_client_authentication !== 'none' && ssl_certificate_authorities.length === 0) {
    throw refuse(`ssl_client_authentication ${ssl_client_authentication} needs ssl_certificate_authorities`)
  }
  const protocols = PROTOCOLS.filter((protocol) => ssl_supported_protocols.includes(protocol))
  const unknown = ssl_supported_protocols.find((protocol) => !PROTOCOLS.some((known) => known === protocol))
  const [oldest] = protocols
  const newest = protocols.at(-1)
  if (unknown !== undefined || oldest === undefined || newest === undefined) {
    throw refuse(`ssl_supported_protocols takes ${PROTOCOLS.join(' and ')}, got ${unknown ?? 'nothing'}`)
  }
  const read = (name: string, file: string): Buffer => readPem(name, resolve(config_folder, file))
  const tls: TlsOptions = {
    cert: read('ssl_certificate', ssl_certificate),
    key: read('ssl_key', ssl_key),
    minVersion: oldest,
    maxVersion: newest,
    requestCert: ssl_client_authentication !== 'none',
    rejectUnauthorized: ssl_client_authentication === 'required',
    handshakeTimeout: options.ssl_handshake_timeout,
    ...(ssl_certificate_authorities.length === 0
      ? {}
      : { ca: ssl_certificate_authorities.map((file) => read('ssl_certificate_authorities', file)) }),
    ...(options.ssl_key_passphrase === undefined ? {} : { passphrase: options.ssl_key_passphrase.reveal() }),
    // Java's names and OpenSSL's are both taken.
    ...(options.ssl_cipher_suites.length === 0 ? {} : { ciphers: options.ssl_cipher_suites.join(':') }),
  }
  try {
    createSecureContext(tls)
  } catch (thrown) {
    throw refuse(`ssl_certificate, ssl_key and ssl_cipher_suites do not work together: ${messageOf(thrown)}`, thrown)
  }
  return tls
}

function readPem(option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (thrown) {
    throw refuse(`${option} can not be read: ${messageOf(thrown)}`, thrown)
  }
}

function refuse(message: string, cause?: unknown): MillraceError {
  return new MillraceError('INPUT_CANNOT_START', message, { cause })
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

/** What a failed handshake means, and what to do. */
export function describeHandshakeFailure(error: Error): string {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ERR_SSL_HTTP_REQUEST') return 'looks like HTTP: a health check on this port?'
  if (/WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|PACKET_LENGTH/.test(code)) {
    return "the client does not speak TLS: is ssl enabled on this side only? Set ssl.enabled in Filebeat's output.logstash"
  }
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE/.test(code)) {
    return 'the client sent no certificate, but ssl_client_authentication requires one: set ssl.certificate and ssl.key in Filebeat'
  }
  if (/UNKNOWN_CA|CERTIFICATE_UNKNOWN|BAD_CERTIFICATE/.test(code)) {
    return `${code}: the client does not trust our certificate: set ssl.certificate_authorities in Filebeat`
  }
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'the handshake took longer than ssl_handshake_timeout'
  return messageOf(error)
}
