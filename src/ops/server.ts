import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import type { Log } from '../core/context.ts'
import { MillraceError, messageOf } from '../core/errors.ts'
import type { Exposition } from '../telemetry/metrics.ts'
import { METRICS_CONTENT_TYPE } from '../telemetry/print.ts'
import { type ApiAccess, isAllowed } from './access.ts'
import { type Asset, readAssets } from './assets.ts'
import { EventStream } from './event-stream.ts'
import type { LedgerHistory } from './ledger.ts'
import type { StatusMonitor } from './monitor.ts'
import type { ReloadReport } from './status.ts'

// An import statement looks at each of this module's exports, and one of them (WebSocket) loads a whole HTTP client: 60 ms of a start.
const { createServer } = process.getBuiltinModule('node:http')

/** Logstash's range: the first free port is taken unless one was asked for. */
const PORT_FIRST = 9600
const PORT_LAST = 9700

/** Watchers, scrapers and probes are a handful; more connections than this are an accident. */
const CONNECTIONS_MAX = 100
const HEADER_BYTES_MAX = 8 * 1024
const URL_LENGTH_MAX = 1024
/** A client that has not sent its request within this time is let go. */
const REQUEST_TIMEOUT_MS = 5000

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
}

export interface OpsOptions {
  readonly host: string
  /** `undefined`: the first free one from 9600 to 9700. */
  readonly port: number | undefined
  readonly access: ApiAccess
  readonly monitor: StatusMonitor
  readonly ledger: LedgerHistory
  readonly metrics: Exposition
  readonly log: Log
  /** Reads the config again. */
  readonly reload: () => Promise<ReloadReport>
  /** Has the figures be those of now, where they are gathered from elsewhere. */
  readonly refresh?: (() => Promise<void>) | undefined
}

export interface Ops {
  /** Of the live page: `http://127.0.0.1:9600/`. */
  readonly url: string
  readonly port: number
  /** Live pages that are open. */
  readonly watchers: number
  /** Ends every connection, the watchers' too. */
  close(): Promise<void>
}

/**
 * Starts the HTTP server for operators: metrics, health, status and the live page. It changes nothing itself, but has the
 * config read again when asked to.
 * @throws MillraceError OPS_CANNOT_START when it cannot listen
 */
export async function startOps({ host, port, access, monitor, ledger, metrics, log, reload, refresh }: OpsOptions): Promise<Ops> {
  const assets = await readAssets()
  const stream = new EventStream(monitor)
  const routes = createRoutes({
    monitor,
    ledger,
    metrics,
    stream,
    assets,
    refresh,
    reload: mayReload(host, access) ? reload : undefined,
  })
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      answer(request, response, routes, { is_local: isLoopback(host), access }).catch((thrown: unknown) => {
        log.warn('ops_request_failed', `could not answer ${request.method} ${request.url}: ${messageOf(thrown)}`)
        response.destroy()
      })
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  if (access.kind === 'unset' && !isLoopback(host)) log.warn('api_without_token', `${host} is open to other machines: ${CLOSED}`)
  try {
    const listening = await listen(server, host, port)
    return {
      url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${listening}/`,
      port: listening,
      get watchers() {
        return stream.watchers
      },
      close: () => closeServer(server, stream),
    }
  } catch (thrown) {
    stream.close()
    throw thrown
  }
}

async function listen(server: Server, host: string, port: number | undefined): Promise<number> {
  for (let candidate = port ?? PORT_FIRST; ; candidate++) {
    try {
      server.listen({ host, port: candidate, exclusive: true })
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    } catch (thrown) {
      const is_taken = (thrown as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (is_taken && port === undefined && candidate < PORT_LAST) continue
      const hint = is_taken ? 'another program listens there: choose another one with --api.http.port' : messageOf(thrown)
      const wanted = port === undefined ? `${host}:${PORT_FIRST} to ${PORT_LAST}` : `${host}:${port}`
      throw new MillraceError('OPS_CANNOT_START', `the live page cannot listen on ${wanted}: ${hint}`, { cause: thrown })
    }
  }
}

async function closeServer(server: Server, stream: EventStream): Promise<void> {
  stream.close()
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** Who may come in. */
interface Door {
  readonly is_local: boolean
  readonly access: ApiAccess
}

const CLOSED =
  'the live page and what else shows events are closed here until api.auth.token (or MILLRACE_API_TOKEN) is set, or they are opened with api.auth.type: none'

/** An answer with a body, or a handler that has taken the response over. */
type Route = (response: ServerResponse) => Promise<Answer | undefined> | Answer | undefined

interface Answer extends Asset {
  readonly status: number
}

interface Parts {
  readonly monitor: StatusMonitor
  readonly ledger: LedgerHistory
  readonly metrics: Exposition
  readonly stream: EventStream
  readonly assets: ReadonlyMap<string, Asset>
  /** Where it may be asked for. */
  readonly reload: OpsOptions['reload'] | undefined
  readonly refresh: OpsOptions['refresh']
}

function createRoutes({ monitor, ledger, metrics, stream, assets, reload, refresh }: Parts): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>()
  for (const [path, asset] of assets) routes.set(path, () => ({ status: 200, ...asset }))
  routes.set('/livez', () => json(200, { alive: true }))
  routes.set('/readyz', async () => {
    await refresh?.()
    const reasons = monitor.reasonsNotReady
    return json(reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons })
  })
  routes.set('/api/status', () => json(200, monitor.view))
  routes.set('/api/ledger', async () => {
    await refresh?.()
    return json(200, ledger.view())
  })
  routes.set(
    '/metrics',
    oneAtATime(async () => {
      await refresh?.()
      return { status: 200, type: METRICS_CONTENT_TYPE, body: Buffer.from(await metrics.text()) }
    }),
  )
  routes.set('/api/stream', (response) => {
    if (stream.is_full) return json(503, { error: 'too many are watching already: close another live page first' })
    stream.add(response)
    return undefined
  })
  routes.set(PUT_PIPELINE, async () => {
    if (reload === undefined)
      return json(403, {
        error:
          'the config is read again only for those who say who they are (api.auth.*), or where this server listens on 127.0.0.1',
      })
    const report = await reload()
    return json(report.result === 'refused' ? 422 : 200, report)
  })
  return routes
}

/** The one path that has something done. A page elsewhere cannot have a browser PUT here: it would have to ask first, and is not answered. */
const PUT_PIPELINE = '/api/pipeline'

/** Who asks while an answer is being made gets that one: printing 20,000 series takes tens of milliseconds. */
function oneAtATime(make: () => Promise<Answer>): () => Promise<Answer> {
  let pending: Promise<Answer> | undefined
  return () => {
    pending ??= make().finally(() => {
      pending = undefined
    })
    return pending
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  door: Door,
): Promise<void> {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
  const { status, type, body } = (await route(request, response, routes, door)) ?? {}
  if (body === undefined || status === undefined || type === undefined) return
  response.writeHead(status, { 'content-type': type, 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function route(
  { method, url = '', headers }: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  { is_local, access }: Door,
): ReturnType<Route> {
  if (is_local && !isLocalName(headers.host)) {
    return json(403, { error: 'this server answers on localhost only: open it under 127.0.0.1 or localhost' })
  }
  if (url.length > URL_LENGTH_MAX) return json(414, { error: `expected a path of at most ${URL_LENGTH_MAX} characters` })
  const path = url.split('?', 1)[0] ?? ''
  if (!isAllowed(access, is_local, path, headers.authorization)) {
    if (access.kind === 'unset') return json(403, { error: CLOSED })
    response.setHeader('www-authenticate', 'Basic realm="millrace", charset="UTF-8"')
    return json(401, { error: 'say who asks: the name and password, or the token, that this program was given (api.auth.*)' })
  }
  const found = routes.get(path)
  if (found === undefined) return json(404, { error: `there is nothing here: try ${[...routes.keys()].join(' ')}` })
  if (path === PUT_PIPELINE) {
    if (method === 'PUT') return hasBody(headers) ? json(400, { error: NO_BODY }) : found(response)
    response.setHeader('allow', 'PUT')
    return json(405, { error: 'PUT has the config read again' })
  }
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return json(405, { error: 'this server only tells, it takes no changes: use GET' })
  }
  // An endless stream has no head worth asking for.
  if (method === 'HEAD' && path === '/api/stream') return json(200, {})
  return found(response)
}

function json(status: number, content: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: Buffer.from(`${JSON.stringify(content)}\n`) }
}

const NO_BODY = 'expected no body: the config is read from where it was at the start'

/** Only for those who are known, or on this machine. */
function mayReload(host: string, { kind }: ApiAccess): boolean {
  return isLoopback(host) || kind === 'token' || kind === 'basic'
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/**
 * Whether a Host header names this machine or an address. A page elsewhere whose name was rebound to 127.0.0.1 has its own
 * name there, and must not read the logs through the operator's browser.
 */
function isLocalName(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || isIP(name) !== 0
}
