import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConnectionOptions as TlsSettings } from 'node:tls'
import type { Context } from '../core/context.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { showExpiry } from '../network/certificate-expiry.ts'
import type { ConnectionOptions } from './options.ts'

export interface SaslSettings {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: Secret
}

/** Which code a refusal has: an input or an output cannot start. */
export type StartCode = 'INPUT_CANNOT_START' | 'OUTPUT_CANNOT_START'

/** TLS as the options ask for it, `undefined` for none. Relative files are searched from the config's folder. */
export function readTls(
  options: ConnectionOptions,
  context: Pick<Context, 'id' | 'metrics' | 'paths' | 'files'>,
  code: StartCode,
): TlsSettings | undefined {
  if (!options.security_protocol.endsWith('SSL')) return undefined
  const { ssl_truststore_location, ssl_keystore_location, ssl_keystore_password, ssl_key_password } = options
  const contents = new Map<string, Buffer>()
  const read = (option: string, file: string): Buffer => {
    const path = resolve(context.paths.config, file)
    context.files.reads(path)
    const bytes = readFile(option, path, code)
    contents.set(path, bytes)
    return bytes
  }
  const tls: TlsSettings = {}
  if (ssl_truststore_location !== undefined) {
    const ca = read('ssl_truststore_location', ssl_truststore_location)
    if (!isPem(ca))
      throw refuse(
        code,
        `ssl_truststore_location: expected a PEM file, ${ssl_truststore_location} is ${keystoreKind(ca)}: ${HOW_TO_EXPORT}`,
      )
    tls.ca = ca
  }
  if (ssl_keystore_location !== undefined) {
    const store = read('ssl_keystore_location', ssl_keystore_location)
    if (isPem(store)) {
      tls.cert = store
      tls.key = store
      if (ssl_key_password !== undefined) tls.passphrase = ssl_key_password.reveal()
    } else if (isJks(store)) {
      throw refuse(code, `ssl_keystore_location: Java keystores are not read: ${HOW_TO_CONVERT}`)
    } else {
      tls.pfx = store
      if (ssl_keystore_password !== undefined) tls.passphrase = ssl_keystore_password.reveal()
    }
  }
  if (options.ssl_endpoint_identification_algorithm === '') tls.checkServerIdentity = () => undefined
  showExpiry(() => contents, context)
  return tls
}

const HOW_TO_EXPORT = 'write its certificates as PEM with keytool -exportcert -rfc -keystore FILE -alias ALIAS'
const HOW_TO_CONVERT = 'convert it with keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12'

function isPem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ')
}

/** A Java keystore starts with FE ED FE ED. */
function isJks(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32BE(0) === 0xfeedfeed
}

function keystoreKind(bytes: Buffer): string {
  return isJks(bytes) ? 'a Java keystore' : 'something else'
}

function readFile(option: string, path: string, code: StartCode): Buffer {
  try {
    return readFileSync(path)
  } catch (thrown) {
    throw refuse(code, `${option}: ${messageOf(thrown)}`)
  }
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
