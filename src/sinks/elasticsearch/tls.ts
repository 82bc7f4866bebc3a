import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConnectionOptions, SecureVersion } from 'node:tls'
import type { OutputContext } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import { showExpiry } from '../../network/certificate-expiry.ts'
import { refused } from './nodes.ts'
import type { ElasticsearchOptions } from './options.ts'

/**
 * The TLS settings that the options ask for; files are read here, once, at load.
 * @throws MillraceError OUTPUT_CANNOT_START for files that cannot be read and for options that lack their other half
 */
export function tlsSettings(
  options: ElasticsearchOptions,
  context: Pick<OutputContext, 'id' | 'metrics' | 'paths'>,
): ConnectionOptions {
  const contents = new Map<string, Buffer>()
  const read = (name: string, file: string): Buffer => {
    try {
      const path = resolve(context.paths.config, file)
      const bytes = readFileSync(path)
      contents.set(path, bytes)
      return bytes
    } catch (thrown) {
      throw refused(`${name}: cannot read ${file} (${messageOf(thrown)})`)
    }
  }
  if ((options.ssl_certificate === undefined) !== (options.ssl_key === undefined)) {
    throw refused('expected ssl_certificate and ssl_key together, got only one of them')
  }
  const unchecked = options.ssl_verification_mode === 'none' || options.ssl_certificate_verification === false
  const authorities = options.ssl_certificate_authorities?.map((file) => read('ssl_certificate_authorities', file))
  // A fingerprint stands for an authority that is in no list: the chain cannot be verified in the usual way, the client compares.
  const by_fingerprint = options.ca_trusted_fingerprint !== undefined && authorities === undefined
  const settings: ConnectionOptions = {
    rejectUnauthorized: !unchecked && !by_fingerprint,
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(options.ssl_certificate === undefined ? {} : { cert: read('ssl_certificate', options.ssl_certificate) }),
    ...(options.ssl_key === undefined ? {} : { key: read('ssl_key', options.ssl_key) }),
    ...protocolVersions(options.ssl_supported_protocols),
  }
  showExpiry(() => contents, context)
  return settings
}

function protocolVersions(names: readonly string[] | undefined): ConnectionOptions {
  if (names === undefined || names.length === 0) return {}
  const versions = names.map((name): SecureVersion => {
    if (name === 'TLSv1.2' || name === 'TLSv1.3') return name
    throw refused(`ssl_supported_protocols: expected TLSv1.2 or TLSv1.3, got ${name}`)
  })
  return {
    minVersion: versions.includes('TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: versions.includes('TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2',
  }
}
