import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import pLimit, { type LimitFunction } from 'p-limit'
import { defineOutput } from '../../core/component.ts'
import { type Outcome, type OutputContext, type Sink, STORED, type WriteResult } from '../../core/contracts.ts'
import { MillraceError, messageOf } from '../../core/errors.ts'
import type { Event } from '../../core/event.ts'
import { readLogin } from '../../core/login.ts'
import { type GuardedRegex, guardedRegex, regexLimits } from '../../core/regex/guard.ts'
import { readClientTls } from '../../network/client-tls.ts'
import { compileBody, compileHeaders, type PrintBody } from './body.ts'
import { type HttpAnswer, HttpClient } from './client.ts'
import { HTTP_OPTIONS, type HttpOptions } from './options.ts'

export const http = defineOutput({
  name: 'http',
  summary: 'Sends events as bodies of HTTP requests, one each or a batch as one list.',
  description: `An answer of 2xx, or one of \`ignorable_codes\`, means stored. One of \`retryable_codes\`, and no answer at all, means
that the event is tried again, for as long as it takes (not before the time of a \`Retry-After\`); so does what \`retryable_answer\` matches. Every other answer sends the event to
the dead letters: Logstash loses it. A batch (\`json_batch\`) has one address and one set of headers, those of its first event, and
gets smaller when the answer is 413. Requests run side by side, so events may overtake each other.`,
  default_codec: 'plain',
  options: HTTP_OPTIONS,
  renamed: {
    cacert: 'ssl_certificate_authorities',
    client_cert: 'ssl_certificate',
    client_key: 'ssl_key',
    keystore: 'ssl_keystore_path',
    keystore_password: 'ssl_keystore_password',
    keystore_type: 'ssl_keystore_type',
    truststore: 'ssl_truststore_path',
    truststore_password: 'ssl_truststore_password',
    truststore_type: 'ssl_truststore_type',
  },
  examples: [
    {
      title: 'Each error to a webhook',
      options: {
        url: 'https://hooks.example.com/alerts/%{service}',
        http_method: 'post',
        mapping: { text: '%{service}: %{message}', level: '%{level}' },
      },
    },
    { title: 'Batches', options: { url: 'http://127.0.0.1:9000/events', http_method: 'post', format: 'json_batch' } },
  ],
  create: (options, context) => new HttpSink(options, context),
})

/** Requests for one event each that are on their way for one batch. */
const BATCH_EVENTS = 500
const BATCH_BYTES = 5 * 1024 * 1024
const REDIRECTS_MAX = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])

const pack = promisify(gzip)

class HttpSink implements Sink {
  readonly batching: NonNullable<Sink['batching']>
  readonly #options: HttpOptions
  readonly #context: OutputContext
  readonly #client: HttpClient
  readonly #limit: LimitFunction
  readonly #printBody: PrintBody
  readonly #retryableAnswer: GuardedRegex | undefined
  readonly #headersOf: (event: Event) => { [name: string]: string }

  constructor(options: HttpOptions, context: OutputContext) {
    this.#options = options
    this.#context = context
    const { format, message, user, password, proxy, pool_max, pool_max_per_route } = options
    if (format === 'message' && message === undefined) throw refused('format message needs message')
    const login = readLogin(user, password, refused)
    if (proxy !== undefined && !URL.canParse(proxy)) throw refused(`proxy: expected http://host:port, got "${proxy}"`)
    if (options.url.constant !== undefined) readUrl(options.url.constant, (why) => refused(`url: ${why}`))
    this.batching = {
      events_max: BATCH_EVENTS,
      bytes_max: BATCH_BYTES,
      concurrency: format === 'json_batch' ? pool_max_per_route : 1,
    }
    this.#client = new HttpClient({
      tls: readClientTls(options, context, 'OUTPUT_CANNOT_START'),
      pool_max,
      pool_max_per_route,
      keep_alive: options.keepalive,
      request_timeout_ms: options.request_timeout * 1_000,
      socket_timeout_ms: options.socket_timeout * 1_000,
      connect_timeout_ms: options.connect_timeout * 1_000,
      proxy,
    })
    this.#limit = pLimit(pool_max)
    const { retryable_answer } = options
    this.#retryableAnswer = retryable_answer === undefined ? undefined : guardedRegex(retryable_answer, '', regexLimits(context))
    this.#printBody = compileBody(options)
    this.#headersOf = compileHeaders(options, login)
  }

  open(): Promise<void> {
    this.#client.open()
    return Promise.resolve()
  }

  async write(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    if (this.#options.format === 'json_batch') return await this.#writeBatch(events, signal)
    const outcomes = await Promise.all(events.map((event) => this.#limit(() => this.#attempt([event], signal))))
    const lost = outcomes.find(({ unreachable }) => unreachable !== undefined)
    // Nobody there at all is told as such, and rests the whole output.
    if (lost !== undefined && outcomes.every(({ unreachable }) => unreachable !== undefined)) throw lost.unreachable
    const overloaded = outcomes.some(({ status }) => status === 429)
    return { outcomes: outcomes.map(({ outcome }) => outcome), overloaded }
  }

  close(): Promise<void> {
    this.#client.close()
    return Promise.resolve()
  }

  async #writeBatch(events: readonly Event[], signal: AbortSignal): Promise<WriteResult> {
    const { outcome, unreachable, status } = await this.#attempt(events, signal)
    if (unreachable !== undefined) throw unreachable
    const tooLarge = status === 413 && events.length > 1
    const shared: Outcome = tooLarge ? { kind: 'retry', reason: 'http_413: a smaller batch follows' } : outcome
    return { outcomes: events.map(() => shared), tooLarge, overloaded: status === 429 }
  }

  async #attempt(events: readonly Event[], signal: AbortSignal): Promise<Attempt> {
    const [first] = events
    if (first === undefined) return { outcome: STORED }
    const text = this.#options.url.format(first)
    const url = readUrl(text, () => undefined)
    if (url === undefined) return { outcome: { kind: 'reject', reason: 'url_invalid' } }
    try {
      const answer = await this.#send(url, first, this.#printBody(events), signal)
      return { outcome: this.#judge(answer, url), status: answer.status }
    } catch (thrown) {
      if (signal.aborted) throw thrown
      const why = `${url.origin}: ${messageOf(thrown)}`
      if (!this.#options.retry_failed) return { outcome: { kind: 'reject', reason: 'http_unreachable' } }
      return {
        outcome: { kind: 'retry', reason: why },
        unreachable: new MillraceError('OUTPUT_UNREACHABLE', why, { cause: thrown }),
      }
    }
  }

  async #send(url: URL, event: Event, body: string, signal: AbortSignal): Promise<HttpAnswer> {
    const { http_compression, http_method, follow_redirects } = this.#options
    const method = http_method.toUpperCase()
    const headers = this.#headersOf(event)
    const bytes = http_compression ? await pack(body) : Buffer.from(body)
    if (http_compression) headers['content-encoding'] = 'gzip'
    const may_follow = follow_redirects && (method === 'GET' || method === 'HEAD')
    let target = url
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#client.send(target, method, headers, bytes, signal)
      const { status, location } = answer
      if (!may_follow || location === undefined || !REDIRECTS.has(status) || redirects === REDIRECTS_MAX) return answer
      const next = URL.canParse(location, target.href) ? new URL(location, target) : undefined
      if (next === undefined || !/^https?:$/.test(next.protocol)) return answer
      // Whoever is pointed at elsewhere is not told our password.
      if (next.origin !== target.origin) delete headers['authorization']
      target = next
    }
  }

  #judge({ status, excerpt, retry_after_ms }: HttpAnswer, url: URL): Outcome {
    const { retryable_codes, ignorable_codes, retry_failed } = this.#options
    const is_success = (status >= 200 && status <= 299) || ignorable_codes.includes(status)
    const puts_off = is_success ? this.#retryableAnswer?.test(excerpt) === true : retryable_codes.includes(status)
    if (is_success && !puts_off) return STORED
    const said = excerpt === '' ? '' : `: ${excerpt}`
    if (puts_off && retry_failed) {
      const reason = `http_${status} from ${url.origin}${said}`
      return { kind: 'retry', reason, ...(retry_after_ms === undefined ? {} : { after_ms: retry_after_ms }) }
    }
    this.#context.log.error('http_refused', `${this.#context.where}: ${url.origin} answered ${status}${said}`)
    return { kind: 'reject', reason: `http_${status}` }
  }
}

interface Attempt {
  readonly outcome: Outcome
  readonly status?: number
  /** There was no answer. */
  readonly unreachable?: MillraceError
}

/** @param fail what there is for a text that is no address */
function readUrl<T>(text: string, fail: (why: string) => T): URL | T {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url
  const fault = fail(`expected an address such as https://example.com/path, got "${text}"`)
  if (fault instanceof Error) throw fault
  return fault
}

function refused(message: string): MillraceError {
  return new MillraceError('OUTPUT_CANNOT_START', message)
}
