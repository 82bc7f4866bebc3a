import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Binding, Decoder, Deliver, InputContext, Source } from '../../core/contracts.ts'
import { messageOf } from '../../core/errors.ts'
import type { Event, Origin } from '../../core/event.ts'
import { basicAuthorization, type Login } from '../../core/login.ts'
import { startTimer, unlessAborted, untilAborted } from '../../core/waiting.ts'
import { ipOf, peerOf } from '../../network/address.ts'
import { listen } from '../../network/listen.ts'
import type { ServerCertificates } from '../../network/server-tls.ts'
import { Room } from '../room.ts'
import { decodeWhole, TOO_MANY_EVENTS } from '../whole-message.ts'
import { checkHead, readBody } from './body.ts'
import type { HttpOptions } from './options.ts'
import { Refusal } from './refusal.ts'
import { requestFields, type Targets } from './request-fields.ts'
import { checkRequired } from './required-fields.ts'

export interface HttpTimes {
  /** What a client has for the head of a request, and for all of it. */
  readonly headers_timeout_ms: number
  readonly request_timeout_ms: number
  readonly checking_interval_ms: number
  /** When bodies wait so long for the pipeline, further ones are sent away. */
  readonly busy_after_ms: number
  /** How long a client may go on sending a body that was refused, so that it gets to read why. */
  readonly linger_ms: number
}

/** What of the options was read before. */
export interface HttpAccess {
  /** Who may send; `undefined`: everybody. */
  readonly login: Login | undefined
  readonly tls: ServerCertificates | undefined
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: { readonly [name: string]: string }
}

/** What a request in a path may show in messages. */
const URL_LENGTH_MAX = 200

/** Bodies that are not handed on yet may take an eighth of the budget for events, on top of it, over all inputs of the process. */
const BODIES_PART = 8
const BODIES = new Room(0)

/**
 * Listens for requests. Each goes through: admitted -> body received -> decoded -> handed on -> settled -> answered. A body
 * that was handed on cannot be taken back, so all reasons to refuse one are looked at before.
 */
export class HttpServer implements Source {
  readonly spreads = true
  readonly #options: HttpOptions
  readonly #tls: ServerCertificates | undefined
  readonly #times: HttpTimes
  readonly #context: InputContext
  readonly #decoder: Decoder
  readonly #decoders: ReadonlyMap<string, Decoder>
  readonly #targets: Targets
  readonly #authorization: Buffer | undefined
  readonly #success: Answer
  readonly #room: Room
  #pending = 0
  /** Bodies that wait for the pipeline to take them, and since when it has taken none. */
  #delivering = 0
  #blocked_since_ms = 0
  #whenIdle: (() => void) | undefined

  constructor(options: HttpOptions, { login, tls }: HttpAccess, times: HttpTimes, context: InputContext) {
    this.#options = options
    this.#tls = tls
    this.#times = times
    this.#context = context
    this.#decoder = context.createDecoder()
    this.#decoders = compileCodecs(options, context)
    this.#targets = {
      remote_host: options.remote_host_target_field,
      request_headers: options.request_headers_target_field,
      ecs: context.ecs_compatibility !== 'disabled',
      hides_authorization: login !== undefined,
    }
    this.#authorization = login === undefined ? undefined : digest(basicAuthorization(login))
    this.#success = {
      status: Number(options.response_code),
      text: 'ok',
      headers: Object.fromEntries(options.response_headers.map(({ name, text }) => [name, text])),
    }
    this.#room = new Room(options.max_pending_bytes ?? Number.POSITIVE_INFINITY, BODIES)
    const labels = { input: context.id }
    context.metrics.gauge('millrace_http_pending_requests', 'Requests that are not answered yet.', labels, () => this.#pending)
    const help = 'Bytes of bodies that are not handed on yet.'
    context.metrics.gauge('millrace_http_pending_bytes', help, labels, () => this.#room.used_bytes)
  }

  get bindings(): readonly Binding[] {
    return [{ protocol: 'tcp', host: this.#options.host, port: this.#options.port }]
  }

  async run(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    if (stop.aborted) return
    const { max_pending_bytes } = this.#options
    using _share = BODIES.share(max_pending_bytes ?? this.#context.max_in_flight_bytes / BODIES_PART)
    const server = this.#createServer(deliver, stop, abandon)
    const { host, port } = this.#options
    const sockets = { allow_half_open: true, no_delay: true }
    await listen(
      server,
      { name: 'http', host, port, code: 'INPUT_CANNOT_START', certificates: this.#tls, ...sockets },
      this.#context,
    )
    await untilAborted(stop)
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeIdleConnections()
    await unlessAborted(this.#idle(), abandon).catch(() => {}) // They are not answered: their senders repeat them.
    server.closeAllConnections()
    await closed
  }

  #createServer(deliver: Deliver, stop: AbortSignal, abandon: AbortSignal): Server {
    const { headers_timeout_ms, request_timeout_ms, checking_interval_ms } = this.#times
    const options = {
      headersTimeout: headers_timeout_ms,
      requestTimeout: request_timeout_ms,
      connectionsCheckingInterval: checking_interval_ms,
    }
    // As in src/ops/server.ts: an import statement would load an HTTP client too.
    const server =
      this.#tls === undefined
        ? process.getBuiltinModule('node:http').createServer(options)
        : process.getBuiltinModule('node:https').createServer({ ...options, ...this.#tls.options })
    server.maxConnections = this.#options.max_connections
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      // It handles its failures itself; `run` waits for it by the number of pending requests.
      void this.#serve(request, response, deliver, stop, abandon)
    }
    server.on('request', serve)
    // Who asks first whether to send a body is told when the head is refused.
    server.on('checkContinue', serve)
    server.on('tlsClientError', (error, socket) => {
      this.#context.log.warn('http_tls_handshake', `refused ${peerOf(socket)}: ${messageOf(error)}`)
    })
    return server
  }

  async #idle(): Promise<void> {
    if (this.#pending === 0) return
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve
    })
  }

  /** Never rejects. */
  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    deliver: Deliver,
    stop: AbortSignal,
    abandon: AbortSignal,
  ): Promise<void> {
    this.#pending++
    // A connection that breaks while it is answered is no matter: the sender repeats what it has no answer to.
    response.on('error', () => {})
    try {
      const answer = await this.#take(request, response, deliver, stop, abandon).catch((thrown: unknown) =>
        this.#refused(request, thrown),
      )
      this.#answer(request, response, answer, stop)
    } finally {
      this.#pending--
      if (this.#pending === 0) this.#whenIdle?.()
    }
  }

  /** @throws Refusal */
  async #take(
    request: IncomingMessage,
    response: ServerResponse,
    deliver: Deliver,
    stop: AbortSignal,
    abandon: AbortSignal,
  ): Promise<Answer> {
    this.#admit(request, stop)
    if (request.headers.expect !== undefined) response.writeContinue()
    const { max_content_length, settle_timeout } = this.#options
    using lease = this.#room.lease()
    const body = await readBody(request, max_content_length, lease, stop)
    const events = this.#eventsOf(request, body)
    if (events.length === 0) return this.#success
    if (this.#isBusy()) throw busy()
    const { settled } = await this.#handOn(events, deliver)
    lease[Symbol.dispose]()
    const outcome = await within(settle_timeout * 1_000, unlessAborted(settled, abandon)).catch(() => 'abandoned' as const)
    if (outcome === 'stored') return this.#success
    if (outcome === 'late') throw new Refusal(503, `not stored within ${settle_timeout} s: send it again`)
    throw new Refusal(503, 'this program is stopping before it is stored: send it again')
  }

  /** All that can be said before the body is there. @throws Refusal */
  #admit(request: IncomingMessage, stop: AbortSignal): void {
    if (stop.aborted) throw new Refusal(503, 'this program is stopping: send it again')
    const { authorization = '' } = request.headers
    if (this.#authorization !== undefined && !timingSafeEqual(digest(authorization), this.#authorization)) {
      throw new Refusal(401, 'user name or password are wrong or missing')
    }
    if (this.#pending > this.#options.max_pending_requests || this.#isBusy()) throw busy()
    checkHead(request, this.#options.max_content_length)
  }

  #isBusy(): boolean {
    return this.#delivering > 0 && performance.now() - this.#blocked_since_ms > this.#times.busy_after_ms
  }

  async #handOn(events: Event[], deliver: Deliver): ReturnType<Deliver> {
    if (this.#delivering === 0) this.#blocked_since_ms = performance.now()
    this.#delivering++
    try {
      return await deliver(events)
    } finally {
      this.#delivering--
      this.#blocked_since_ms = performance.now()
    }
  }

  /** @throws Refusal 400 or 413 */
  #eventsOf(request: IncomingMessage, body: Buffer): Event[] {
    const mime_type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
    const decoded = decodeWhole(this.#decoders.get(mime_type) ?? this.#decoder, body)
    const { required_fields } = this.#options
    if (decoded[0]?.failure === TOO_MANY_EVENTS) throw new Refusal(413, `${TOO_MANY_EVENTS}: send them in parts`)
    if (decoded.length === 0 && required_fields.length > 0) throw new Refusal(400, 'the body has no event in it')
    for (const [index, one] of decoded.entries()) checkRequired(one, required_fields, index + 1)
    const each_bytes = Math.ceil(body.length / Math.max(1, decoded.length))
    if (each_bytes > this.#context.max_event_bytes) {
      throw new Refusal(413, `expected events of at most ${this.#context.max_event_bytes} bytes (max_event_bytes)`)
    }
    const complete = requestFields(request, ipOf(request.socket), this.#targets)
    const peer = peerOf(request.socket)
    const place = `${peer} ${request.method} ${request.url?.slice(0, URL_LENGTH_MAX)}`
    const origin: Origin = { input: this.#context.id, describe: () => place, stableId: () => undefined }
    return decoded.map((one) => this.#context.createEvent(complete(one), origin, each_bytes))
  }

  #refused(request: IncomingMessage, thrown: unknown): Answer {
    const refusal = thrown instanceof Refusal ? thrown : new Refusal(500, 'internal error')
    const why = thrown instanceof Refusal ? thrown.message : messageOf(thrown)
    this.#context.log.warn(
      `http_${refusal.status}`,
      `${this.#context.where}: request from ${ipOf(request.socket)} refused with ${refusal.status}: ${why}`,
    )
    const { status } = refusal
    return {
      status,
      text: refusal.message,
      headers: {
        'content-type': 'text/plain',
        ...(status === 401 ? { 'www-authenticate': 'Basic realm="millrace"' } : {}),
        ...(status === 429 || status === 503 ? { 'retry-after': '1' } : {}),
      },
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, { status, text, headers }: Answer, stop: AbortSignal): void {
    const help = 'Requests by the status they were answered with.'
    this.#context.metrics.counter('millrace_http_requests_total', help, { input: this.#context.id, code: String(status) }).inc()
    const is_incomplete = !request.complete
    response.writeHead(status, { ...headers, ...(stop.aborted || is_incomplete ? { connection: 'close' } : {}) })
    response.end(status === 204 ? undefined : text)
    if (is_incomplete) this.#lingerOn(request)
  }

  /** Closing at once would make the client's system throw the answer away. */
  #lingerOn(request: IncomingMessage): void {
    request.resume()
    const timer = setTimeout(() => request.destroy(), this.#times.linger_ms)
    request.once('close', () => clearTimeout(timer))
  }
}

/** What a promise gives, or `late` when that takes longer; 0 waits for ever. */
async function within<T>(timeout_ms: number, promise: Promise<T>): Promise<T | 'late'> {
  if (timeout_ms === 0) return await promise
  const { promise: late, resolve } = Promise.withResolvers<'late'>()
  const timer = startTimer(() => resolve('late'), timeout_ms)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function busy(): Refusal {
  return new Refusal(429, 'too many requests are waiting: send it again later')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function compileCodecs({ additional_codecs }: HttpOptions, context: InputContext): ReadonlyMap<string, Decoder> {
  const decoders = new Map<string, Decoder>()
  for (const [content_type, node] of additional_codecs) {
    const create = context.compileCodec(node)
    if (create !== undefined) decoders.set(content_type.toLowerCase(), create())
  }
  return decoders
}
