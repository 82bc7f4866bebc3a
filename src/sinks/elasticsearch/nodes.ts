import { MillraceError } from '../../core/errors.ts'
import { basicAuthorization, readLogin } from '../../core/login.ts'
import { keepCredentials, type Secret } from '../../core/secret.ts'
import type { ElasticsearchOptions } from './options.ts'

/** One address of Elasticsearch. The URL never holds credentials, so that it can be printed. */
export interface NodeAddress {
  readonly url: URL
  /** Where the address carried a user and a password. */
  readonly authorization: string | undefined
}

const DEFAULT_PORT = 9200

/** scheme, credentials, host, port, rest: `https://user:pass@es1:9200/path`, `//es1`, `es1:9200`, `[::1]`. */
const ADDRESS = /^(?:(https?):)?(?:\/\/)?(?:([^@/]*)@)?(\[[^\]]+\]|[^:/?#[\]]+)(?::(\d+))?(\/[^?#]*)?$/i

/**
 * The nodes that the options name.
 * @throws MillraceError OUTPUT_CANNOT_START for addresses that cannot be read or contradict each other
 */
export function resolveNodes(options: ElasticsearchOptions): NodeAddress[] {
  if (options.cloud_id !== undefined) return [readCloudId(options.cloud_id)]
  if (options.hosts.length === 0) throw refused('expected at least one address in hosts, got an empty list')
  // One variable may name several nodes.
  const hosts = options.hosts.flatMap((host) => host.split(/[\s,]+/)).filter((host) => host !== '')
  if (hosts.length === 0) throw refused('expected addresses such as https://es1:9200 in hosts, got one that cannot be read')
  const nodes = hosts.map((host) => readAddress(host, options))
  if (new Set(nodes.map((node) => node.url.protocol)).size > 1) {
    throw refused('expected all hosts to be http or all https, got both')
  }
  return nodes
}

function readAddress(text: string, options: ElasticsearchOptions): NodeAddress {
  const found = ADDRESS.exec(text.trim())
  // The text may hold a password, so it is not repeated.
  if (found === null) throw refused('expected addresses such as https://es1:9200 in hosts, got one that cannot be read')
  const [, scheme = options.ssl_enabled === true ? 'https' : 'http', credentials, host = '', port = DEFAULT_PORT, path = ''] =
    found
  if (options.ssl_enabled !== undefined && (scheme.toLowerCase() === 'https') !== options.ssl_enabled) {
    throw refused(`ssl_enabled is ${options.ssl_enabled}, but ${scheme}://${host}:${port} says otherwise: make them agree`)
  }
  const prefix = (options.path ?? path).replace(/^\/*/, '/')
  if (!URL.canParse(`${scheme}://${host}:${port}${prefix}`)) {
    throw refused(`expected an address in hosts, got the host ${host} and the port ${port}`)
  }
  return { url: new URL(`${scheme}://${host}:${port}${prefix}`), authorization: readCredentials(credentials) }
}

function readCredentials(credentials: string | undefined): string | undefined {
  if (credentials === undefined || credentials === '') return undefined
  try {
    return basicAuthorization(decodeURIComponent(credentials))
  } catch {
    throw refused('expected user and password in hosts to be percent-encoded (a % is %25), got a % that is not')
  }
}

/** A cloud id is `name:base64("host$elasticsearch$kibana")`, the host perhaps with a port. */
function readCloudId(text: string): NodeAddress {
  const encoded = text.slice(text.lastIndexOf(':') + 1)
  const [domain = '', deployment = ''] = Buffer.from(encoded, 'base64').toString().split('$')
  const [, host, port = '443'] = /^([\w.-]+)(?::(\d+))?$/.exec(domain) ?? []
  if (host === undefined || !/^[\w.-]+$/.test(deployment)) {
    throw refused('expected cloud_id to be name:text as the Elastic Cloud console shows it, got something else')
  }
  return { url: new URL(`https://${deployment}.${host}:${port}/`), authorization: undefined }
}

/** The Authorization header that the options ask for, or `undefined`. Empty texts, as of variables that are not set, ask for nothing. */
export function authorizationOf(options: ElasticsearchOptions): string | undefined {
  const login = readLogin(options.user, options.password, refused)
  const api_key = revealed(options.api_key)
  const cloud_auth = revealed(options.cloud_auth)
  const given = [login, api_key, cloud_auth].filter((way) => way !== undefined)
  if (given.length > 1) throw refused('expected one of user, api_key and cloud_auth, got several: keep one')
  if (api_key !== undefined) return `ApiKey ${encodedKey(api_key)}`
  if (cloud_auth !== undefined) return basicAuthorization(cloud_auth)
  return login === undefined ? undefined : basicAuthorization(login)
}

/** `id:key` goes over the wire as basic credentials do. */
function encodedKey(api_key: string): string {
  const colon = api_key.indexOf(':')
  return colon < 0 ? api_key : keepCredentials(api_key.slice(0, colon), api_key.slice(colon + 1))
}

function revealed(secret: Secret | undefined): string | undefined {
  const text = secret?.reveal()
  return text === '' ? undefined : text
}

export function refused(message: string): MillraceError {
  return new MillraceError('OUTPUT_CANNOT_START', message)
}
