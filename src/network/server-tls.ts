import { createSecureContext, type TlsOptions } from 'node:tls'
import { messageOf } from '../core/errors.ts'
import { kept } from '../core/options/kept-options.ts'
import * as option from '../core/options/options.ts'
import type { Secret } from '../core/secret.ts'
import type { TlsReading } from './certificates.ts'
import { ClientNames } from './client-names.ts'
import { type StartCode, TlsFiles } from './pem.ts'

/** The options that make a listener speak TLS, as Logstash names them. */
export const SERVER_TLS = {
  ssl_enabled: option.boolean('Speaks TLS.', { default: false }),
  ssl_certificate: option.path('The certificate of this server, PEM, with the intermediate ones behind it.'),
  ssl_key: option.path('The key of the certificate, PEM.'),
  ssl_key_passphrase: option.secret('The passphrase of the key.'),
  ssl_certificate_authorities: option.list('Files with the authorities whose client certificates are taken, PEM.', {
    default: [],
  }),
  ssl_client_authentication: option.oneOf('Whether clients must show a certificate.', ['none', 'optional', 'required'], {
    default: 'none',
  }),
  ssl_client_names: option.list(
    'Ours. Names of which the certificate of a client must have one, beside a good chain; any name where none is given. Each as it is in the certificate, or `*.example.com` for any one label before the rest. The subject alternative names are compared (DNS, IP, URI, email), the common name only where there is none of them. Needs `ssl_client_authentication => required`. Other clients are disconnected after the handshake, before anything of theirs is read.',
    { default: [] },
  ),
  ssl_handshake_timeout: option.integer('Milliseconds a client has for the handshake.', { default: 10_000, min: 1 }),
  ssl_supported_protocols: option.list('TLS versions to speak.', { default: ['TLSv1.2', 'TLSv1.3'] }),
  ssl_cipher_suites: option.list('Cipher suites to take, by Java or OpenSSL names. Without it: those of Node.', { default: [] }),
}

/** The same from one file, and authorities from another. */
export const KEYSTORE_TLS = {
  ssl_keystore_path: option.path('Certificate and key in one PKCS #12 file, in place of `ssl_certificate` and `ssl_key`.'),
  ssl_keystore_password: option.secret('The password of that file.'),
  ssl_keystore_type: option.oneOf('The form of that file.', ['pkcs12', 'PKCS12']),
  ssl_truststore_path: option.path('A PEM file with authorities, beside `ssl_certificate_authorities`.'),
  ssl_truststore_password: kept('PEM files have none'),
  ssl_truststore_type: option.oneOf('The form of that file.', ['PEM', 'pem']),
}

/** Values of those options, and what some components have beside them. */
export interface ServerTls {
  readonly ssl_enabled: boolean
  readonly ssl_certificate: string | undefined
  readonly ssl_key: string | undefined
  readonly ssl_key_passphrase: Secret | undefined
  readonly ssl_certificate_authorities: readonly string[]
  readonly ssl_client_authentication: 'none' | 'optional' | 'required'
  readonly ssl_client_names?: readonly string[]
  readonly ssl_handshake_timeout: number
  readonly ssl_supported_protocols: readonly string[]
  readonly ssl_cipher_suites: readonly string[]
  /** Further certificates for the chain, PEM. */
  readonly ssl_extra_chain_certs?: readonly string[] | undefined
  /** Certificate and key in PKCS #12. */
  readonly ssl_keystore_path?: string | undefined
  readonly ssl_keystore_password?: Secret | undefined
  /** Authorities, PEM. */
  readonly ssl_truststore_path?: string | undefined
  /** Client certificates may be of the authorities that this system trusts: then none need be named. */
  readonly trusts_system_authorities?: boolean
}

/** TLS of a listener, files read. */
export interface ServerCertificates extends TlsReading<TlsOptions> {
  /** Whom of those with a good certificate it takes; `undefined`: all. */
  readonly client_names: ClientNames | undefined
}

/**
 * Reads the files that TLS options name; `undefined` where ssl is off.
 * @throws MillraceError of that code for files and settings that do not fit together
 */
export function readServerTls(options: ServerTls, config_folder: string, code: StartCode): ServerCertificates | undefined {
  if (options.ssl_enabled) return readCertificates(options, config_folder, code)
  if (options.ssl_client_names?.length)
    throw new TlsFiles(config_folder, code).refuse('ssl_client_names needs ssl_enabled => true')
  return undefined
}

function readCertificates(options: ServerTls, config_folder: string, code: StartCode): ServerCertificates {
  const files = new TlsFiles(config_folder, code)
  const { ssl_client_authentication, ssl_handshake_timeout, ssl_cipher_suites, ssl_key_passphrase } = options
  const authorities = readAuthorities(options, files)
  if (ssl_client_authentication !== 'none' && authorities.length === 0 && options.trusts_system_authorities !== true) {
    throw files.refuse(`ssl_client_authentication ${ssl_client_authentication} needs ssl_certificate_authorities`)
  }
  const client_names = readClientNames(options, files)
  const versions = files.readProtocols('ssl_supported_protocols', options.ssl_supported_protocols)
  const tls: TlsOptions = {
    ...(ssl_key_passphrase === undefined ? {} : { passphrase: ssl_key_passphrase.reveal() }),
    ...readIdentity(options, files),
    ...versions,
    requestCert: ssl_client_authentication !== 'none',
    rejectUnauthorized: ssl_client_authentication === 'required',
    handshakeTimeout: ssl_handshake_timeout,
    ...(authorities.length === 0 ? {} : { ca: authorities }),
    // Java's names and OpenSSL's are both taken.
    ...(ssl_cipher_suites.length === 0 ? {} : { ciphers: ssl_cipher_suites.join(':') }),
  }
  try {
    createSecureContext(tls)
  } catch (thrown) {
    throw files.refuse(`ssl_certificate, ssl_key and ssl_cipher_suites do not work together: ${messageOf(thrown)}`, thrown)
  }
  return { options: tls, client_names, contents: files.contents, read: () => readCertificates(options, config_folder, code) }
}

function readClientNames(options: ServerTls, files: TlsFiles): ClientNames | undefined {
  const { ssl_client_names = [], ssl_client_authentication } = options
  if (ssl_client_names.length === 0) return undefined
  if (ssl_client_authentication !== 'required') {
    throw files.refuse(
      `ssl_client_names needs ssl_client_authentication => required, got ${ssl_client_authentication}: without it a client with no certificate has any name`,
    )
  }
  return new ClientNames(ssl_client_names, (message) => files.refuse(message))
}

function readIdentity(options: ServerTls, files: TlsFiles): TlsOptions {
  const { ssl_certificate, ssl_key, ssl_keystore_path, ssl_keystore_password, ssl_extra_chain_certs = [] } = options
  if (ssl_keystore_path !== undefined) {
    if (ssl_certificate !== undefined) throw files.refuse('expected ssl_certificate or ssl_keystore_path, got both')
    const pfx = files.readKeystore('ssl_keystore_path', ssl_keystore_path)
    return { pfx, ...(ssl_keystore_password === undefined ? {} : { passphrase: ssl_keystore_password.reveal() }) }
  }
  if (ssl_certificate === undefined || ssl_key === undefined) {
    throw files.refuse('ssl_enabled needs both ssl_certificate and ssl_key')
  }
  const chain = [files.read('ssl_certificate', ssl_certificate)]
  for (const file of ssl_extra_chain_certs) chain.push(Buffer.from('\n'), files.read('ssl_extra_chain_certs', file))
  return { cert: Buffer.concat(chain), key: files.read('ssl_key', ssl_key) }
}

function readAuthorities({ ssl_certificate_authorities, ssl_truststore_path }: ServerTls, files: TlsFiles): Buffer[] {
  const authorities = ssl_certificate_authorities.map((file) => files.read('ssl_certificate_authorities', file))
  if (ssl_truststore_path !== undefined) authorities.push(files.readAuthorities('ssl_truststore_path', ssl_truststore_path))
  return authorities
}

const VERIFY_MODES = { none: 'none', peer: 'optional', force_peer: 'required' } as const

/** Options that were replaced long ago and still stand in many configs. */
export const OLD_SERVER_TLS = {
  ssl_verify_mode: option.oneOf('Old form of `ssl_client_authentication`: `peer` is optional, `force_peer` is required.', [
    'none',
    'peer',
    'force_peer',
  ]),
  tls_min_version: option.number('Old form of `ssl_supported_protocols`: the oldest, 1.2 or 1.3.'),
  tls_max_version: option.number('Old form of `ssl_supported_protocols`: the newest, 1.2 or 1.3.'),
}

/** Today's options, also where a config has the old ones. */
export function withOldServerTls<T extends ServerTls & option.OptionValues<typeof OLD_SERVER_TLS>>(options: T): T {
  const { ssl_verify_mode, ssl_supported_protocols, tls_min_version = 0, tls_max_version = Number.POSITIVE_INFINITY } = options
  const protocols = ssl_supported_protocols.filter((protocol) => {
    const version = Number(protocol.replace('TLSv', ''))
    return Number.isNaN(version) || (version >= tls_min_version && version <= tls_max_version)
  })
  const none_left = protocols.length === 0 && ssl_supported_protocols.length > 0
  return {
    ...options,
    ssl_client_authentication: ssl_verify_mode === undefined ? options.ssl_client_authentication : VERIFY_MODES[ssl_verify_mode],
    ssl_supported_protocols: none_left ? [`TLS from ${tls_min_version} to ${tls_max_version}`] : protocols,
  }
}

/** How the old options are written today, for warnings. */
export function oldServerTls(
  options: option.OptionValues<typeof OLD_SERVER_TLS>,
): readonly (readonly [old: string, use: string])[] {
  const { ssl_verify_mode, tls_min_version, tls_max_version } = options
  const protocols = 'ssl_supported_protocols => ["TLSv1.2", "TLSv1.3"]'
  return [
    ...(ssl_verify_mode === undefined
      ? []
      : [['ssl_verify_mode', `ssl_client_authentication => "${VERIFY_MODES[ssl_verify_mode]}"`] as const]),
    ...(tls_min_version === undefined ? [] : [['tls_min_version', protocols] as const]),
    ...(tls_max_version === undefined ? [] : [['tls_max_version', protocols] as const]),
  ]
}
