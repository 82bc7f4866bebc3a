import type { Context, Counter, Histogram } from '../../core/context.ts'
import { type Outcome, STORED } from '../../core/contracts.ts'
import type { Body } from './body.ts'
import { type Answer, type ElasticsearchClient, RequestFailure } from './client.ts'
import { memoryLimitOf } from './memory-refusal.ts'
import { type Item, judge, type OwnRules } from './outcome.ts'
import { BULK_FILTER_PATH, readBulkReply, readRequestError } from './reply.ts'
import type { SizeLimit } from './size-limit.ts'

/** What became of a body's items. */
export interface BulkResult {
  /** By item; `undefined` where `failure` kept Elasticsearch from deciding. */
  readonly outcomes: (Outcome | undefined)[]
  /** Items that may be stored although their outcome does not say so. */
  readonly uncertain: Set<number>
  /** Items that were rejected for one of their fields, with the whole reason. */
  readonly refused_fields: Map<number, string>
  failure: RequestFailure | undefined
  too_large: boolean
  overloaded: boolean
  /** Every request was answered with success, so none of the body's bytes are in use any more. */
  done_with_body: boolean
}

/** A whole request refused with one of these holds a document that Elasticsearch cannot even take in: halving finds it. */
const FAULTS_OF_ONE_DOCUMENT = new Set([
  'action_request_validation_exception',
  'illegal_argument_exception',
  'json_e_o_f_exception',
  'json_parse_exception',
  'parse_exception',
  'parsing_exception',
  'validation_exception',
  'x_content_parse_exception',
])

/** Refused with one of these types too, but whatever the documents are: an option is wrong. */
const FAULTS_OF_ALL = /contains unrecognized parameter/

/** A body that was cut off at this size or more may have been too large for a server that closes without an answer. */
const SUSPICIOUS_BYTES = 1024 * 1024

const BYTES_BUCKETS = [64, 256, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 102_400].map((kib) => kib * 1_024)
const SECONDS_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

type Range = readonly [from: number, to: number]
type Next = 'go_on' | 'halve' | 'stop'

/** Sends bodies as bulk requests and says what became of each item. One attempt for each item, except where a body is cut. */
export class Bulk {
  readonly #client: ElasticsearchClient
  readonly #context: Context
  readonly #limit: SizeLimit
  readonly #path: string
  readonly #query: { readonly [name: string]: string }
  readonly #own: OwnRules
  readonly #seconds: Histogram
  readonly #bytes: Histogram
  readonly #with_errors: Counter

  constructor(
    client: ElasticsearchClient,
    context: Context,
    settings: { limit: SizeLimit; parameters: { readonly [name: string]: string }; path: string; own: OwnRules },
  ) {
    this.#client = client
    this.#context = context
    this.#limit = settings.limit
    this.#path = settings.path
    this.#query = { ...settings.parameters, filter_path: BULK_FILTER_PATH }
    this.#own = settings.own
    context.metrics.gauge(
      'millrace_elasticsearch_bulk_bytes_max',
      'Largest body of a bulk request: bulk_bytes_max, or what was learned from refusals of larger ones.',
      { output: context.id },
      () => this.#limit.bytes,
    )
    this.#seconds = context.metrics.histogram(
      'millrace_elasticsearch_bulk_seconds',
      'How long bulk requests took until their answer was there.',
      SECONDS_BUCKETS,
      { output: context.id },
    )
    this.#bytes = context.metrics.histogram(
      'millrace_elasticsearch_bulk_body_bytes',
      'Sizes of the bodies of bulk requests, before compression.',
      BYTES_BUCKETS,
      { output: context.id },
    )
    this.#with_errors = context.metrics.counter(
      'millrace_elasticsearch_bulk_requests_with_errors_total',
      'Bulk requests that were taken, but not each of their documents.',
      { output: context.id },
    )
  }

  /** `mayBeStored`: whether an earlier attempt at that item may have stored it. */
  async send(body: Body, mayBeStored: (item: number) => boolean, signal: AbortSignal): Promise<BulkResult> {
    const result: BulkResult = {
      outcomes: Array.from({ length: body.count }),
      uncertain: new Set(),
      refused_fields: new Map(),
      failure: undefined,
      too_large: false,
      overloaded: false,
      done_with_body: true,
    }
    const waiting: Range[] = [[0, body.count]]
    for (let range = waiting.pop(); range !== undefined; range = waiting.pop()) {
      const [from, end] = range
      const to = this.#fittingEnd(body, from, end)
      if (to < end) waiting.push([to, end])
      const next = await this.#sendRange(body, from, to, mayBeStored, result, signal)
      if (next === 'stop') break
      if (next === 'halve') {
        const middle = (from + to) >> 1
        waiting.push([middle, to], [from, middle])
      }
    }
    return result
  }

  /** The end of the largest range from `from` on that the limit allows; at least one item. */
  #fittingEnd(body: Body, from: number, end: number): number {
    if (body.sizeOf(from, end) <= this.#limit.bytes) return end
    let to = from + 1
    while (to < end && body.sizeOf(from, to + 1) <= this.#limit.bytes) to++
    return to
  }

  async #sendRange(
    body: Body,
    from: number,
    to: number,
    mayBeStored: (item: number) => boolean,
    result: BulkResult,
    signal: AbortSignal,
  ): Promise<Next> {
    try {
      const answer = await this.#request(body.slice(from, to), signal)
      if (answer.status >= 200 && answer.status < 300) {
        const items = readBulkReply(answer.text, to - from)
        this.#limit.passed(body.sizeOf(from, to))
        if (items === undefined) result.outcomes.fill(STORED, from, to)
        else this.#judgeItems(items, body, from, to, mayBeStored, result)
        return 'go_on'
      }
      // A refusal may come before the body was read to its end.
      result.done_with_body = false
      return this.#judgeRefusal(answer, body, from, to, result)
    } catch (thrown) {
      result.done_with_body = false
      if (!(thrown instanceof RequestFailure)) {
        // The signal: what was on its way may still arrive.
        for (let item = from; item < to; item++) result.uncertain.add(item)
        const message = 'the program stopped waiting for the answer to a bulk request'
        result.failure = new RequestFailure('OUTPUT_UNREACHABLE', message, { may_have_arrived: true })
        return 'stop'
      }
      if (thrown.may_have_arrived) for (let item = from; item < to; item++) result.uncertain.add(item)
      if (thrown.answer_was_too_large) {
        result.too_large = true
        if (to - from > 1) return 'halve'
        result.outcomes[from] = { kind: 'reject', reason: `whether it is stored is not known: ${thrown.message}` }
        return 'go_on'
      }
      if (thrown.was_cut && to - from > 1 && body.sizeOf(from, to) >= SUSPICIOUS_BYTES) {
        this.#limit.refused(body.sizeOf(from, to))
        result.too_large = true
      }
      result.failure = thrown
      return 'stop'
    }
  }

  async #request(bytes: Buffer, signal: AbortSignal): Promise<Answer> {
    const started_ms = performance.now()
    let status = 'none'
    this.#bytes.observe(bytes.length)
    try {
      const answer = await this.#client.request({ method: 'POST', path: this.#path, query: this.#query, body: bytes }, signal)
      status = String(answer.status)
      return answer
    } finally {
      const { metrics, id } = this.#context
      this.#seconds.observe((performance.now() - started_ms) / 1000)
      metrics
        .counter('millrace_elasticsearch_bulk_requests_total', 'Bulk requests by status; none: there was no answer.', {
          output: id,
          status,
        })
        .inc()
      metrics
        .counter('millrace_elasticsearch_bulk_bytes_total', 'Bytes of bulk bodies before compression.', { output: id })
        .inc(bytes.length)
    }
  }

  /** The request was taken, but not each of its documents. */
  #judgeItems(
    items: readonly Item[],
    body: Body,
    from: number,
    to: number,
    mayBeStored: (item: number) => boolean,
    result: BulkResult,
  ): void {
    const bytes = body.sizeOf(from, to)
    let beyond_memory = 0
    let too_large = 0
    this.#with_errors.inc()
    for (const [offset, item] of items.entries()) {
      const position = from + offset
      const index = body.indices[position] ?? ''
      const may_be_stored = mayBeStored(position) || result.uncertain.has(position)
      const judgement = judge(item, { index, may_be_stored }, this.#own)
      result.outcomes[position] = judgement.outcome
      if (item.status >= 500) result.uncertain.add(position)
      if (judgement.for_a_field) result.refused_fields.set(position, item.reason ?? '')
      if (judgement.overloaded) {
        const limit = memoryLimitOf(item.reason, { bytes, documents: to - from })
        if (limit !== undefined) beyond_memory++
        if (limit !== undefined && (to - from === 1 || body.sizeOf(position, position + 1) > limit)) {
          too_large++
          result.outcomes[position] = tooLarge(`${item.type}: ${item.reason}`, body.sizeOf(position, position + 1))
        } else result.overloaded = true
      }
      if (judgement.unauthorized) this.#reportUnauthorized(`for the index ${index}: ${item.reason ?? item.status}`)
    }
    // One too large document has its neighbours refused: without it they are taken, else they are too much together.
    if (beyond_memory > 0 && too_large === 0) {
      this.#limit.refused(bytes)
      result.too_large = true
    }
  }

  /** The request as a whole was refused. */
  #judgeRefusal(answer: Answer, body: Body, from: number, to: number, result: BulkResult): Next {
    const { type, reason } = readRequestError(answer.text)
    const told = `status ${answer.status}${type === undefined ? '' : ` ${type}`}${reason === undefined ? '' : `: ${reason.slice(0, 200)}`}`
    const bytes = body.sizeOf(from, to)
    if (
      answer.status === 413 ||
      (answer.status === 429 && memoryLimitOf(reason, { bytes, documents: to - from }) !== undefined)
    ) {
      if (to - from === 1) {
        result.outcomes[from] = tooLarge(told, bytes)
        return 'go_on'
      }
      this.#limit.refused(bytes)
      result.too_large = true
      this.#context.log.warn(
        'elasticsearch_request_too_large',
        `Elasticsearch, or a proxy before it, refuses a bulk request of ${bytes} bytes (${told}): smaller ones are sent from now on. Set bulk_bytes_max of the output at ${this.#context.where} to what it takes, or raise http.max_content_length or the proxy's limit`,
      )
      return 'halve'
    }
    if (answer.status === 400 && type !== undefined && FAULTS_OF_ONE_DOCUMENT.has(type) && !FAULTS_OF_ALL.test(reason ?? '')) {
      if (to - from > 1) return 'halve'
      result.outcomes[from] = { kind: 'reject', reason: told }
      return 'go_on'
    }
    if (answer.status === 429 || (answer.status === 503 && answer.retry_after_ms !== undefined)) {
      result.overloaded = true
      // There is not the memory for a body of that size.
      if (type === 'circuit_breaking_exception') this.#limit.refused(bytes)
      const after = answer.retry_after_ms === undefined ? {} : { after_ms: answer.retry_after_ms }
      const retry: Outcome = { kind: 'retry', reason: told, ...after }
      for (let item = from; item < body.count; item++) result.outcomes[item] = retry
      if (answer.status === 503) for (let item = from; item < to; item++) result.uncertain.add(item)
      return 'stop'
    }
    const is_blocked = type === 'cluster_block_exception'
    if (answer.status >= 500 || answer.status === 408 || is_blocked) {
      if (!is_blocked) for (let item = from; item < to; item++) result.uncertain.add(item)
      const message = `Elasticsearch cannot take a bulk request now (${told}); if this lasts, look at its log and at GET /_cluster/health`
      result.failure = new RequestFailure('OUTPUT_UNAVAILABLE', message, { may_have_arrived: true })
      return 'stop'
    }
    if (answer.status === 401 || answer.status === 403) this.#reportUnauthorized(told)
    else {
      this.#context.log.error(
        'elasticsearch_refuses_requests',
        `Elasticsearch refuses bulk requests (${told}): check the addresses and the path of the output at ${this.#context.where}. Nothing is lost; they are tried again`,
      )
    }
    const message = `Elasticsearch refuses bulk requests: ${told}`
    result.failure = new RequestFailure('OUTPUT_REFUSED', message, { may_have_arrived: false })
    return 'stop'
  }

  #reportUnauthorized(told: string): void {
    this.#context.log.error(
      'elasticsearch_unauthorized',
      `Elasticsearch refuses to store (${told}): check user, password or api_key of the output at ${this.#context.where}, and that its role may create and write the indices. Nothing is lost; they are tried again`,
    )
  }
}

function tooLarge(told: string, bytes: number): Outcome {
  const reason = `${told}: the document of ${bytes} bytes is larger than Elasticsearch, or a proxy before it, takes`
  return { kind: 'reject', reason }
}
