import { type ClientCertificates, type ClientTlsContext, readClientTls } from '../../network/client-tls.ts'
import type { ElasticsearchOptions } from './options.ts'

/**
 * The TLS settings that the options ask for, files read.
 * @throws MillraceError OUTPUT_CANNOT_START for files that cannot be read and for options that lack their other half
 */
export function tlsSettings(options: ElasticsearchOptions, context: ClientTlsContext): ClientCertificates {
  const { ssl_verification_mode, ssl_certificate_verification, ca_trusted_fingerprint, ssl_certificate_authorities } = options
  const is_unchecked = ssl_verification_mode === 'none' || ssl_certificate_verification === false
  // A fingerprint stands for an authority that is in no list: the chain cannot be verified in the usual way, the client compares.
  const by_fingerprint = ca_trusted_fingerprint !== undefined && ssl_certificate_authorities === undefined
  const checks = { ssl_verification_mode: is_unchecked || by_fingerprint ? 'none' : 'full' } as const
  return readClientTls({ ...options, ...checks }, context, 'OUTPUT_CANNOT_START')
}
