import { X509Certificate } from 'node:crypto'
import type { Context } from '../core/context.ts'

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Shows for each file of certificates when the first of them expires: our own as well as authorities. Files in PKCS #12 do not show
 * what is in them.
 * @param contents what the files hold at any time, by path
 */
export function showExpiry(contents: () => ReadonlyMap<string, Buffer>, { id, metrics }: Pick<Context, 'id' | 'metrics'>): void {
  for (const [file, bytes] of contents()) {
    if (Number.isNaN(expiryOf(bytes))) continue
    metrics.gauge(
      'millrace_certificate_expiry_time_seconds',
      'When the first certificate of a file expires, in seconds since 1970.',
      { component: id, file },
      () => expiryOf(contents().get(file)),
    )
  }
}

/** In seconds since 1970; NaN where there is no certificate. */
function expiryOf(bytes: Buffer | undefined): number {
  const certificates = bytes?.toString('latin1').match(PEM_CERTIFICATE) ?? []
  const times = certificates.map((pem) => Date.parse(new X509Certificate(pem).validTo) / 1_000)
  return times.length === 0 ? Number.NaN : Math.min(...times)
}
