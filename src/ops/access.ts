import { hash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../core/secret.ts'

/** Who may ask. */
export type ApiAccess =
  /** Anybody who reaches the port. */
  | { readonly kind: 'open' }
  /** Nobody was named: what holds events is told on this machine alone. */
  | { readonly kind: 'unset' }
  /** Whoever sends `Authorization: Bearer TOKEN`, or in a browser any name with the token as its password. */
  | { readonly kind: 'token'; readonly token: Secret }
  | { readonly kind: 'basic'; readonly username: string; readonly password: Secret }

/** Probes have no secrets, and learn none. */
const PROBES: ReadonlySet<string> = new Set(['/livez', '/readyz'])
/** Scrapers get these also where nobody was named: they hold no events. */
const WITHOUT_EVENTS: ReadonlySet<string> = new Set([...PROBES, '/metrics'])

/** Whether a request may be answered. */
export function isAllowed(access: ApiAccess, is_local: boolean, path: string, authorization: string | undefined): boolean {
  switch (access.kind) {
    case 'open':
      return true
    case 'unset':
      return is_local || WITHOUT_EVENTS.has(path)
    case 'token':
      return PROBES.has(path) || holdsToken(authorization, access.token)
    case 'basic':
      return PROBES.has(path) || isSame(readBasic(authorization), `${access.username}:${access.password.reveal()}`)
  }
}

function holdsToken(authorization: string | undefined, token: Secret): boolean {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(authorization ?? '') ?? []
  const basic = readBasic(authorization)
  return isSame(bearer ?? basic?.slice(basic.indexOf(':') + 1), token.reveal())
}

/** `name:password` */
function readBasic(authorization: string | undefined): string | undefined {
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(authorization ?? '') ?? []
  const pair = encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8')
  return pair?.includes(':') === true ? pair : undefined
}

/** In the same time whatever is wrong. */
function isSame(given: string | undefined, wanted: string): boolean {
  if (given === undefined) return false
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', wanted, 'buffer'))
}
