import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'

interface KeyValue {
  readonly key: string
  readonly value: { readonly [type: string]: unknown }
}

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly KeyValue[]
  readonly status: { readonly code: number; readonly message?: string }
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
}

interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

/** A span as it came, and whose it is. */
export interface ReceivedSpan extends Omit<OtlpSpan, 'attributes'> {
  readonly service: unknown
  readonly attributes: { readonly [name: string]: unknown }
}

export interface OtlpReceiver extends AsyncDisposable {
  /** As in OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string
  readonly spans: readonly ReceivedSpan[]
  /** How many it refused, each as often as it came. */
  readonly refused: number
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[]
  /** What it answers from here on; it keeps spans that it says 200 to. `undefined`: it takes requests and never answers. */
  status: number | undefined
}

/** Something that takes traces as OTLP over HTTP in JSON, and decodes what arrives. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  let refused = 0
  const requests: { path: string; headers: IncomingHttpHeaders }[] = []
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      requests.push({ path: request.url ?? '', headers: request.headers })
      if (receiver.status === undefined) return
      const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
      const received = spansOf(JSON.parse(text.toString()) as OtlpRequest)
      if (receiver.status === 200) spans.push(...received)
      else refused += received.length
      response.writeHead(receiver.status, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const receiver: OtlpReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get refused() {
      return refused
    },
    requests,
    status: 200,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return receiver
}

function spansOf({ resourceSpans }: OtlpRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = valuesOf(resource.attributes)['service.name']
    return scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service, attributes: valuesOf(span.attributes) })))
  })
}

function valuesOf(attributes: readonly KeyValue[]): { [name: string]: unknown } {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}
