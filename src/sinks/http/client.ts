import type { Agent, IncomingMessage, RequestOptions } from 'node:http'
import type { Agent as TlsAgent } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { withoutSecrets } from '../../core/secret.ts'
import { startTimer } from '../../core/waiting.ts'
import type { ClientCertificates } from '../../network/client-tls.ts'

// As in src/ops/server.ts: an import statement would load another HTTP client.
const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

export interface ClientSettings {
  readonly tls: ClientCertificates
  readonly pool_max: number
  readonly pool_max_per_route: number
  readonly keep_alive: boolean
  readonly request_timeout_ms: number
  readonly socket_timeout_ms: number
  readonly connect_timeout_ms: number
  readonly proxy: string | undefined
}

export interface HttpAnswer {
  readonly status: number
  /** What the server asks to wait before the next try. */
  readonly retry_after_ms: number | undefined
  readonly location: string | undefined
  /** The beginning of the body, for messages. */
  readonly excerpt: string
}

/** What of an answer is kept, and how much of one is read before its connection is given up. */
const EXCERPT_LENGTH_MAX = 300
const EXCERPT_BYTES = 4_096
const ANSWER_BYTES_MAX = 1024 * 1024
/** A server that asks for more patience than this is asked again nevertheless. */
const RETRY_AFTER_MS_MAX = 300_000

/** Sends requests over connections that are kept and counted. */
export class HttpClient {
  readonly #settings: ClientSettings
  readonly #plain: Agent
  readonly #createTls: (tls: ConnectionOptions) => TlsAgent
  #tls: TlsAgent
  /** Those before it; they bring what they have to its end. */
  readonly #retired: TlsAgent[] = []
  #following: Disposable | undefined

  constructor(settings: ClientSettings) {
    this.#settings = settings
    const { tls, pool_max, pool_max_per_route, keep_alive, proxy } = settings
    const pool = {
      keepAlive: keep_alive,
      maxSockets: pool_max_per_route,
      maxTotalSockets: pool_max,
      ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    }
    this.#plain = new http.Agent(pool)
    this.#createTls = (options) => new https.Agent({ ...pool, ...options })
    this.#tls = this.#createTls(tls.options)
  }

  /** From here on renewed certificates are used. */
  open(): void {
    this.#following = this.#settings.tls.follow('http', (options) => this.#renew(options))
  }

  /** Resolves with whatever the server answers; rejects where it does not, or not in time. */
  async send(
    url: URL,
    method: string,
    headers: { readonly [name: string]: string },
    body: Buffer,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { request_timeout_ms } = this.#settings
    const timeout = new AbortController()
    const late = (): void => timeout.abort(new Error(`no answer within ${request_timeout_ms} ms`))
    let timer: NodeJS.Timeout | undefined
    // What waits here for a connection is not the server's time.
    const begin = (): void => {
      timer ??= startTimer(late, request_timeout_ms)
    }
    const leave = (): void => timeout.abort(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    try {
      signal.throwIfAborted()
      return await this.#exchange(url, method, headers, body, begin, timeout.signal)
    } catch (thrown) {
      if (timeout.signal.aborted) throw timeout.signal.reason
      throw thrown
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', leave)
    }
  }

  close(): void {
    this.#following?.[Symbol.dispose]()
    for (const agent of [this.#plain, this.#tls, ...this.#retired]) agent.destroy()
  }

  /** Further requests go over connections of their own; one that is idle is closed, and one that is busy as soon as it no longer is. */
  #renew(tls: ConnectionOptions): void {
    const old = this.#tls
    this.#tls = this.#createTls(tls)
    old.maxFreeSockets = 0
    for (const socket of Object.values(old.freeSockets).flat()) socket?.destroy()
    const busy = this.#retired.filter(({ sockets }) => Object.keys(sockets).length > 0)
    this.#retired.splice(0, Infinity, ...busy, old)
  }

  #exchange(
    url: URL,
    method: string,
    headers: { readonly [name: string]: string },
    body: Buffer,
    begin: () => void,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
    const { socket_timeout_ms, connect_timeout_ms } = this.#settings
    const has_body = body.length > 0 || !['GET', 'HEAD'].includes(method)
    const options: RequestOptions = {
      method,
      headers: has_body ? { ...headers, 'content-length': body.length } : { ...headers },
      signal,
      timeout: socket_timeout_ms,
    }
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: this.#tls })
        : http.request(url, { ...options, agent: this.#plain })
    request.on('timeout', () => request.destroy(new Error(`no byte within ${socket_timeout_ms} ms`)))
    request.on('error', reject)
    request.on('socket', (socket) => {
      begin()
      if (!socket.connecting) return
      const late = (): void => {
        request.destroy(new Error(`no connection within ${connect_timeout_ms} ms`))
      }
      const timer = startTimer(late, connect_timeout_ms)
      socket.once('connect', () => clearTimeout(timer))
      socket.once('close', () => clearTimeout(timer))
    })
    request.on('response', (response) => {
      readAnswer(response).then(resolve, reject)
    })
    request.end(has_body ? body : undefined)
    return promise
  }
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const pieces: Buffer[] = []
  let kept = 0
  let bytes = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (kept < EXCERPT_BYTES) {
      pieces.push(piece.subarray(0, EXCERPT_BYTES - kept))
      kept += Math.min(piece.length, EXCERPT_BYTES - kept)
    }
    // Leaving the loop closes the connection.
    if (bytes > ANSWER_BYTES_MAX) break
  }
  const { statusCode = 0, headers } = response
  return {
    status: statusCode,
    retry_after_ms: retryAfter_ms(headers['retry-after']),
    location: headers.location,
    // A server may repeat what it was sent; a secret that is cut off could not be recognised.
    excerpt: withoutSecrets(Buffer.concat(pieces).toString('utf8')).slice(0, EXCERPT_LENGTH_MAX).replace(/\s+/g, ' ').trim(),
  }
}

function retryAfter_ms(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const wait_ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return wait_ms > 0 ? Math.min(wait_ms, RETRY_AFTER_MS_MAX) : undefined
}
