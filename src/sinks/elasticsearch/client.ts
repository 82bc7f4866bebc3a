import { registerHooks } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Client, errors, NodeOptions } from '@elastic/elasticsearch'
import { MillraceError, messageOf, type RuntimeCode } from '../../core/errors.ts'
import { startTimer } from '../../core/waiting.ts'
import type { ClientCertificates } from '../../network/client-tls.ts'
import type { NodeAddress } from './nodes.ts'
import { ANSWER_BYTES_MAX, ANSWER_TOO_LARGE, readAnswersWhole } from './whole-answer.ts'

export interface ClientSettings {
  readonly nodes: readonly NodeAddress[]
  /** For the nodes whose address carries none of its own. */
  readonly authorization: string | undefined
  readonly headers: { readonly [name: string]: string }
  readonly tls: ClientCertificates
  readonly ca_fingerprint: string | undefined
  /** An HTTP proxy that makes the connections for us; may carry user and password. */
  readonly proxy: URL | undefined
  readonly timeout_ms: number
  readonly compression_level: number
  readonly concurrency: number
}

export interface Request {
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly path: string
  readonly query?: { readonly [name: string]: string }
  /** NDJSON as bytes, or a JSON document as text. */
  readonly body?: Buffer | string
}

/** What the server said, whatever the status. */
export interface Answer {
  readonly status: number
  readonly text: string
  readonly retry_after_ms: number | undefined
}

/** A request that has no answer. */
export class RequestFailure extends MillraceError {
  /** Whether the server may have carried it out all the same. */
  readonly may_have_arrived: boolean
  /** Whether the other side cut the connection, as servers do that refuse a large body without reading it. */
  readonly was_cut: boolean
  /** Whether there was an answer that is too large to be read: one to fewer documents is smaller. */
  readonly answer_was_too_large: boolean

  constructor(
    code: RuntimeCode,
    message: string,
    traits: { may_have_arrived: boolean; was_cut?: boolean; answer_was_too_large?: boolean },
  ) {
    super(code, message)
    this.name = 'RequestFailure'
    this.may_have_arrived = traits.may_have_arrived
    this.was_cut = traits.was_cut ?? false
    this.answer_was_too_large = traits.answer_was_too_large ?? false
  }
}

/** Media types without a version: every server version takes them, a versioned one only its neighbours do. */
const JSON_TYPE = 'application/json'
const NDJSON_TYPE = 'application/x-ndjson'

/** Shorter than the idle limits of usual load balancers (60 s and more), which drop idle connections without a word. */
const IDLE_CONNECTION_MS = 30_000
/** The client's own timer counts silence only and is coarse: it must fire after ours, which counts the whole request. */
const CLIENT_TIMEOUT_MARGIN_MS = 5_000
/** Failures before the first byte of a request left: the server cannot have seen it. */
const NEVER_SENT = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|connect timeout|certificate|fingerprint|SSL|TLS/i

const compress = promisify(gzip)

/**
 * Loading the package takes 200 ms and 38 MB: only pipelines that write to Elasticsearch pay for it. Left out of it is Apache Arrow
 * (50 ms and 6 MB more), which its helpers load for one kind of ES|QL answers.
 */
async function loadPackage(): Promise<typeof import('@elastic/elasticsearch')> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => next(specifier === 'apache-arrow/Arrow.node' ? 'node:path' : specifier, context),
  })
  try {
    return await import('@elastic/elasticsearch')
  } finally {
    hooks.deregister()
  }
}

/** Made with the certificates of its time. */
interface ClientInUse {
  readonly client: Client
  /** Those without an answer yet. */
  requests: number
}

/** The official client, reduced to requests with ready bodies and answers as text: no retries, no parsing, own deadline. */
export class ElasticsearchClient {
  #current: ClientInUse
  readonly #inUse = new Set<ClientInUse>()
  readonly #following: Disposable
  readonly #errors: typeof errors
  readonly #timeout_ms: number
  readonly #compression_level: number

  private constructor(create: (tls: ConnectionOptions) => Client, clientErrors: typeof errors, settings: ClientSettings) {
    const use = (tls: ConnectionOptions): ClientInUse => {
      const created = { client: create(tls), requests: 0 }
      this.#inUse.add(created)
      return created
    }
    this.#current = use(settings.tls.options)
    this.#following = settings.tls.follow('elasticsearch', (tls) => {
      const old = this.#current
      this.#current = use(tls)
      this.#closeIfIdle(old)
    })
    this.#errors = clientErrors
    this.#timeout_ms = settings.timeout_ms
    this.#compression_level = settings.compression_level
  }

  static async create(settings: ClientSettings): Promise<ElasticsearchClient> {
    const elastic = await loadPackage()
    /** Leaves answers as text: a bulk answer mostly needs a look at its first bytes. */
    class TextSerializer extends elastic.Serializer {
      // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the signature is the client's
      override deserialize<T>(json: string): T {
        return json as T
      }
    }
    class DirectConnection extends elastic.UndiciConnection {
      constructor(options: ConstructorParameters<typeof elastic.UndiciConnection>[0]) {
        super(options)
        readAnswersWhole(this, elastic.errors)
      }
    }
    class ProxyConnection extends elastic.HttpConnection {
      constructor(options: ConstructorParameters<typeof elastic.HttpConnection>[0]) {
        super(options)
        readAnswersWhole(this, elastic.errors)
      }
    }
    const createClient = (tls: ConnectionOptions): Client =>
      new elastic.Client({
        nodes: settings.nodes.map(nodeOptions(settings)),
        headers: { 'x-elastic-product-origin': 'millrace', ...settings.headers },
        maxRetries: 0,
        requestTimeout: settings.timeout_ms + CLIENT_TIMEOUT_MARGIN_MS,
        tls,
        ...(settings.ca_fingerprint === undefined ? {} : { caFingerprint: settings.ca_fingerprint }),
        ...(settings.proxy === undefined
          ? {
              Connection: DirectConnection,
              agent: { connections: settings.concurrency + 1, keepAliveTimeout: IDLE_CONNECTION_MS },
            }
          : // The client's usual connections cannot go through a proxy.
            { proxy: settings.proxy, Connection: ProxyConnection, agent: { maxSockets: settings.concurrency + 1 } }),
        Serializer: TextSerializer,
        enableMetaHeader: false,
        // The client would copy all of a failed request into its error, byte by byte: a second for every megabyte of body.
        // Its errors never leave this file, so there is nothing to hide.
        redaction: { type: 'off' },
      })
    return new ElasticsearchClient(createClient, elastic.errors, settings)
  }

  /**
   * Sends one request to the next node and waits for the whole answer.
   * @throws RequestFailure where there is no answer; the signal's reason once it aborts
   */
  async request(request: Request, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted()
    const encoded = await this.#encode(request)
    const deadline = new AbortController()
    const abort = () => deadline.abort()
    let timed_out = false
    const timer = startTimer(() => {
      timed_out = true
      deadline.abort()
    }, this.#timeout_ms)
    signal.addEventListener('abort', abort, { once: true })
    const used = this.#current
    used.requests++
    try {
      const result = await used.client.transport.request<string>(
        {
          method: request.method,
          path: request.path,
          querystring: { ...request.query },
          ...(encoded.body === undefined ? {} : { bulkBody: encoded.body }),
        },
        { signal: deadline.signal, meta: true, headers: encoded.headers },
      )
      return answerOf(result.statusCode ?? 0, result.body, result.headers)
    } catch (thrown) {
      signal.throwIfAborted()
      if (thrown instanceof this.#errors.ResponseError) {
        return answerOf(thrown.meta.statusCode ?? 0, thrown.meta.body, thrown.meta.headers)
      }
      throw this.#failure(thrown, timed_out, used.client)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      used.requests--
      this.#closeIfIdle(used)
    }
  }

  async close(): Promise<void> {
    this.#following[Symbol.dispose]()
    await Promise.all([...this.#inUse].map(({ client }) => client.close()))
  }

  /** One whose certificates were renewed has its last answer. */
  #closeIfIdle(used: ClientInUse): void {
    if (used === this.#current || used.requests > 0 || !this.#inUse.delete(used)) return
    // Nobody waits for it: its connections are idle.
    void used.client.close().catch(() => {})
  }

  async #encode({ body }: Request): Promise<{ body?: Buffer | string; headers: { [name: string]: string } }> {
    if (body === undefined) return { headers: { accept: JSON_TYPE } }
    const headers = { accept: JSON_TYPE, 'content-type': typeof body === 'string' ? JSON_TYPE : NDJSON_TYPE }
    if (this.#compression_level === 0 || typeof body === 'string') return { body, headers }
    const compressed = await compress(body, { level: this.#compression_level })
    return { body: compressed, headers: { ...headers, 'content-encoding': 'gzip' } }
  }

  #failure(thrown: unknown, timed_out: boolean, client: Client): RequestFailure {
    const known = thrown instanceof this.#errors.ElasticsearchClientError ? thrown : undefined
    const connection = known !== undefined && 'meta' in known ? connectionOf(known.meta) : undefined
    const where = connection?.url.origin ?? 'Elasticsearch'
    if (timed_out || known?.name === 'TimeoutError') {
      // The client takes only broken connections for dead nodes; a node that does not answer is no better.
      if (connection !== undefined) client.connectionPool.markDead(connection)
      return new RequestFailure('OUTPUT_TIMEOUT', `${where} gave no answer within ${this.#timeout_ms / 1000} s`, {
        may_have_arrived: true,
      })
    }
    if (known?.name === 'ProductNotSupportedError') {
      const message = `${where} answers without the header X-Elastic-Product: it is not Elasticsearch (7.14 or newer), or a proxy removes the header`
      return new RequestFailure('OUTPUT_REFUSED', message, { may_have_arrived: true })
    }
    if (messageOf(thrown) === ANSWER_TOO_LARGE) {
      const message = `${where} answers with more than ${ANSWER_BYTES_MAX} bytes`
      return new RequestFailure('OUTPUT_REPLY_INVALID', message, { may_have_arrived: true, answer_was_too_large: true })
    }
    // A refused connection to a name with several addresses comes without any text.
    const reason = messageOf(thrown) || 'connection refused (ECONNREFUSED)'
    const never_sent = NEVER_SENT.test(reason)
    return new RequestFailure('OUTPUT_UNREACHABLE', `${where} cannot be reached: ${reason}`, {
      may_have_arrived: !never_sent,
      was_cut: !never_sent && known?.name === 'ConnectionError',
    })
  }
}

function nodeOptions(settings: ClientSettings): (node: NodeAddress) => NodeOptions {
  return (node) => {
    const authorization = node.authorization ?? settings.authorization
    return { url: node.url, ...(authorization === undefined ? {} : { headers: { authorization } }) }
  }
}

function answerOf(status: number, body: unknown, headers: { readonly [name: string]: unknown } | undefined | null): Answer {
  const retry_after = headers?.['retry-after']
  return {
    status,
    text: typeof body === 'string' ? body : '',
    retry_after_ms: typeof retry_after === 'string' ? readRetryAfter(retry_after, Date.now()) : undefined,
  }
}

/** `Retry-After` is a number of seconds or a date. */
export function readRetryAfter(text: string, now_ms: number): number | undefined {
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000
  const date_ms = Date.parse(text)
  return Number.isNaN(date_ms) ? undefined : Math.max(0, date_ms - now_ms)
}

type Connection = Parameters<Client['connectionPool']['markDead']>[0]

function connectionOf(meta: unknown): Connection | undefined {
  const inner = (meta as { meta?: { connection?: Connection | null } } | undefined)?.meta
  return inner?.connection ?? undefined
}
