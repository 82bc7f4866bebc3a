import { stat } from 'node:fs/promises'
import type { Server } from 'node:tls'
import type { Context } from '../core/context.ts'
import { messageOf } from '../core/errors.ts'
import { showExpiry } from './certificate-expiry.ts'
import type { ServerCertificates } from './server-tls.ts'

const INTERVAL_MS = 3_000

/**
 * Has new connections of a server use certificates that were renewed, until it closes; connections that are open stay as they are. Shows
 * when those in use expire.
 * Files are looked at, not listened to: a mounted volume gives no notice, and Kubernetes swaps a symbolic link.
 */
export function followCertificates(server: Server, first: ServerCertificates, name: string, context: Context): void {
  let current = first
  let seen = ''
  let failures = 0
  showExpiry(
    () => current.contents,
    context,
    () => current.options.passphrase,
  )
  const look = async (): Promise<void> => {
    const states = await Promise.all([...current.contents.keys()].map(stateOf))
    const state = states.join('\n')
    if (state === seen) return
    try {
      const next = current.read()
      seen = state
      failures = 0
      if (!hasChanged(current, next)) return
      server.setSecureContext(next.options)
      current = next
      context.log.info(`${name}_certificates`, `${name} uses the certificates that were renewed`)
    } catch (thrown) {
      // Certificate and key are seldom replaced in the same moment.
      if (++failures !== 2) return
      context.log.error(
        `${name}_certificates`,
        `${context.where}: the new certificates cannot be used, so the old ones are: ${messageOf(thrown)}`,
      )
    }
  }
  // Never rejects.
  const timer = setInterval(() => void look(), INTERVAL_MS).unref()
  server.once('close', () => clearInterval(timer))
}

async function stateOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined)
  return `${file} ${found?.dev} ${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs}`
}

function hasChanged(current: ServerCertificates, next: ServerCertificates): boolean {
  return [...next.contents].some(([file, bytes]) => current.contents.get(file)?.equals(bytes) !== true)
}
