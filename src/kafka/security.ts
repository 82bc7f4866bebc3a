import type { ConnectionOptions as TlsSettings } from 'node:tls'
import { MillraceError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { type ClientCertificates, type ClientTlsContext, readCertificates } from '../network/client-tls.ts'
import type { StartCode, TlsFiles } from '../network/pem.ts'
import type { ConnectionOptions } from './options.ts'

export interface SaslSettings {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: Secret
}

/**
 * TLS as the options ask for it, `undefined` for none. Relative files are searched from the config's folder.
 * @throws MillraceError of that code for files that cannot be read or used
 */
export function readTls(options: ConnectionOptions, context: ClientTlsContext, code: StartCode): ClientCertificates | undefined {
  if (!options.security_protocol.endsWith('SSL')) return undefined
  const { ssl_truststore_location, ssl_endpoint_identification_algorithm } = options
  return readCertificates(context, code, (files) => ({
    ...(ssl_truststore_location === undefined
      ? {}
      : { ca: files.readAuthorities('ssl_truststore_location', ssl_truststore_location) }),
    ...readIdentity(options, files),
    ...(ssl_endpoint_identification_algorithm === '' ? { checkServerIdentity: () => undefined } : {}),
  }))
}

function readIdentity(options: ConnectionOptions, files: TlsFiles): TlsSettings {
  const { ssl_keystore_location, ssl_keystore_password, ssl_key_password } = options
  if (ssl_keystore_location === undefined) return {}
  const store = files.readKeystore('ssl_keystore_location', ssl_keystore_location)
  const is_pem = store.includes('-----BEGIN ')
  const passphrase = (is_pem ? ssl_key_password : ssl_keystore_password)?.reveal()
  return { ...(is_pem ? { cert: store, key: store } : { pfx: store }), ...(passphrase === undefined ? {} : { passphrase }) }
}

/** The log-in as the options ask for it, `undefined` for none. */
export function readSasl(options: ConnectionOptions, code: StartCode): SaslSettings | undefined {
  const { security_protocol, sasl_mechanism, sasl_jaas_config } = options
  if (!security_protocol.startsWith('SASL')) {
    if (sasl_mechanism === undefined) return undefined
    throw refuse(code, `sasl_mechanism needs security_protocol SASL_PLAINTEXT or SASL_SSL, got ${security_protocol}`)
  }
  if (sasl_mechanism === undefined) {
    throw refuse(
      code,
      `security_protocol ${security_protocol} needs sasl_mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (Logstash's default GSSAPI is not spoken)`,
    )
  }
  if (sasl_jaas_config === undefined) throw refuse(code, 'sasl_jaas_config is missing: it holds username="…" password="…"')
  return { mechanism: MECHANISMS[sasl_mechanism], ...readJaas(sasl_jaas_config, code) }
}

const MECHANISMS = { PLAIN: 'plain', 'SCRAM-SHA-256': 'scram-sha-256', 'SCRAM-SHA-512': 'scram-sha-512' } as const

/**
 * User name and password of a JAAS line, as Java reads it:
 *
 * ```
 * login module class | required | name=value… | ;        value: bare, or in single or double quotes with backslash escapes
 * ```
 * @throws MillraceError of that code, without any part of the line in its message
 */
export function readJaas(config: Secret, code: StartCode): { readonly username: string; readonly password: Secret } {
  const text = config.reveal()
  const entries = /^\s*\S+\s+(?:required|requisite|sufficient|optional)\b(.*)$/is.exec(text)?.[1] ?? text
  const values = new Map<string, string>()
  for (const [, name = '', double, single, bare] of entries.matchAll(JAAS_ENTRY)) {
    values.set(name, unescape(double ?? single ?? bare ?? ''))
  }
  const username = values.get('username')
  const password = values.get('password')
  if (username === undefined || password === undefined) {
    throw refuse(
      code,
      'sasl_jaas_config: expected `org.apache.kafka.common.security.plain.PlainLoginModule required username="…" password="…";`',
    )
  }
  return { username, password: new Secret(password) }
}

const JAAS_ENTRY = /([\w.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;"']+))/g

function unescape(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

function refuse(code: StartCode, message: string): MillraceError {
  return new MillraceError(code, message)
}
