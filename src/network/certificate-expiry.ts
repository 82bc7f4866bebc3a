import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Context } from '../core/context.ts'

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** A PKCS #12 file takes long to open on purpose, and a scrape asks for the same again. */
const known = new WeakMap<Buffer, number>()

/**
 * Shows for each file of certificates when the first of them expires: our own as well as authorities. Of a file in PKCS #12 it is
 * the certificate that belongs to the key.
 * @param contents what the files hold at any time, by path
 * @param passphrase of those in PKCS #12, at any time
 */
export function showExpiry(
  contents: () => ReadonlyMap<string, Buffer>,
  { id, metrics }: Pick<Context, 'id' | 'metrics'>,
  passphrase: () => string | undefined = () => undefined,
): void {
  for (const [file, bytes] of contents()) {
    if (Number.isNaN(expiryOf(bytes, passphrase()))) continue
    metrics.gauge(
      'millrace_certificate_expiry_time_seconds',
      'When the first certificate of a file expires, in seconds since 1970.',
      { component: id, file },
      () => expiryOf(contents().get(file), passphrase()),
    )
  }
}

/** In seconds since 1970; NaN where there is no certificate. */
function expiryOf(bytes: Buffer | undefined, passphrase: string | undefined): number {
  if (bytes === undefined) return Number.NaN
  const expiry_s = known.get(bytes) ?? readExpiry(bytes, passphrase)
  known.set(bytes, expiry_s)
  return expiry_s
}

function readExpiry(bytes: Buffer, passphrase: string | undefined): number {
  const text = bytes.toString('latin1')
  const certificates = text.includes('-----BEGIN ') ? (text.match(PEM_CERTIFICATE) ?? []) : ownOf(bytes, passphrase)
  const times = [...certificates].map((certificate) => Date.parse(new X509Certificate(certificate).validTo) / 1_000)
  return times.length === 0 ? Number.NaN : Math.min(...times)
}

/** What Node has no name for: the certificate that a connection would show. None where a Node does not tell it, or for another file. */
function ownOf(pfx: Buffer, passphrase: string | undefined): Buffer[] {
  try {
    const { context } = createSecureContext(passphrase === undefined ? { pfx } : { pfx, passphrase }) as {
      readonly context: { getCertificate?(): unknown }
    }
    const certificate = context.getCertificate?.()
    return Buffer.isBuffer(certificate) ? [certificate] : []
  } catch {
    return []
  }
}
