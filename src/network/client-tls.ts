import type { ConnectionOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import type { Context } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { type CertificateContext, Certificates, type TlsReading } from './certificates.ts'
import { type StartCode, TlsFiles } from './pem.ts'

/** What options say of TLS on the side that connects. */
export interface ClientTls {
  readonly ssl_certificate?: string | undefined
  readonly ssl_key?: string | undefined
  readonly ssl_key_passphrase?: Secret | undefined
  readonly ssl_certificate_authorities?: readonly string[] | undefined
  /** `certificate`: of a known authority, for whatever name. `none` takes any server for the right one. */
  readonly ssl_verification_mode: 'full' | 'certificate' | 'none'
  readonly ssl_supported_protocols?: readonly string[] | undefined
  readonly ssl_cipher_suites?: readonly string[] | undefined
  /** Certificate and key in PKCS #12. */
  readonly ssl_keystore_path?: string | undefined
  readonly ssl_keystore_password?: Secret | undefined
  /** Authorities, PEM. */
  readonly ssl_truststore_path?: string | undefined
}

/** What connections to servers are made with. */
export type ClientCertificates = Certificates<ConnectionOptions>

/** Where the files are, and who is told of them. */
export type ClientTlsContext = CertificateContext & Pick<Context, 'paths'>

/**
 * What Node's TLS client needs, files read. Whoever makes connections follows them too (`follow`), so that renewed ones are used.
 * @throws MillraceError of that code for files and settings that do not fit together
 */
export function readClientTls(options: ClientTls, context: ClientTlsContext, code: StartCode): ClientCertificates {
  return readCertificates(context, code, (files) => connectionOptions(options, files))
}

/**
 * The same with settings of one's own.
 * @param choose reads what the settings name
 * @throws MillraceError of that code
 */
export function readCertificates(
  context: ClientTlsContext,
  code: StartCode,
  choose: (files: TlsFiles) => ConnectionOptions,
): ClientCertificates {
  const read = (): TlsReading<ConnectionOptions> => {
    const files = new TlsFiles(context.paths.config, code)
    const options = choose(files)
    // Without either it works, and takes its time.
    if (files.contents.size > 0 || options.ciphers !== undefined) checkTogether(options, files)
    return { options, contents: files.contents, read }
  }
  return new Certificates(read(), context)
}

function checkTogether(options: ConnectionOptions, files: TlsFiles): void {
  try {
    createSecureContext(options)
  } catch (thrown) {
    throw files.refuse(`the files that ssl options name do not work together: ${messageOf(thrown)}`, thrown)
  }
}

function connectionOptions(options: ClientTls, files: TlsFiles): ConnectionOptions {
  const { ssl_certificate, ssl_key, ssl_key_passphrase, ssl_keystore_path, ssl_keystore_password, ssl_truststore_path } = options
  const { ssl_certificate_authorities = [], ssl_supported_protocols = [], ssl_cipher_suites = [] } = options
  if ((ssl_certificate === undefined) !== (ssl_key === undefined)) {
    throw files.refuse('expected ssl_certificate and ssl_key together, got only one of them')
  }
  const authorities = ssl_certificate_authorities.map((file) => files.read('ssl_certificate_authorities', file))
  if (ssl_truststore_path !== undefined) authorities.push(files.readAuthorities('ssl_truststore_path', ssl_truststore_path))
  const passphrase = (ssl_keystore_path === undefined ? ssl_key_passphrase : ssl_keystore_password)?.reveal()
  return {
    ...files.readProtocols('ssl_supported_protocols', ssl_supported_protocols),
    rejectUnauthorized: options.ssl_verification_mode !== 'none',
    ...(options.ssl_verification_mode === 'certificate' ? { checkServerIdentity: () => undefined } : {}),
    ...(authorities.length === 0 ? {} : { ca: authorities }),
    ...(ssl_certificate === undefined ? {} : { cert: files.read('ssl_certificate', ssl_certificate) }),
    ...(ssl_key === undefined ? {} : { key: files.read('ssl_key', ssl_key) }),
    ...(ssl_keystore_path === undefined ? {} : { pfx: files.readKeystore('ssl_keystore_path', ssl_keystore_path) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(ssl_cipher_suites.length === 0 ? {} : { ciphers: ssl_cipher_suites.join(':') }),
  }
}
