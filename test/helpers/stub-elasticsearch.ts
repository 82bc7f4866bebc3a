import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket, type TlsOptions, Server as TlsServer } from 'node:tls'
import { gunzipSync } from 'node:zlib'

/** One document of a bulk request as it came over the wire. */
interface StubItem {
  readonly operation: string
  readonly index: string
  readonly id: string | undefined
  /** The whole action line's inner object. */
  readonly action: { readonly [name: string]: unknown }
  /** The document's text, byte for byte. */
  readonly source: string
}

export interface StubBulk {
  /** Counts bulk requests from 1. */
  readonly number: number
  readonly items: readonly StubItem[]
  /** The body as it came, uncompressed. */
  readonly body: Buffer
  readonly headers: IncomingMessage['headers']
  readonly url: string
  /** Of the certificate that the client showed. */
  readonly client_serial: string | undefined
}

interface StubItemError {
  readonly status: number
  readonly type?: string | undefined
  readonly reason?: string
}

/** What the stub does with one bulk request; nothing said means what Elasticsearch does. */
export interface StubBehaviour {
  /** Answers the request as a whole with this status and stores nothing. */
  readonly status?: number
  readonly headers?: { readonly [name: string]: string }
  /** The answer's body as it stands. */
  readonly reply?: string
  /** An error for an item: then it is not stored. */
  readonly item?: (item: StubItem, position: number) => StubItemError | undefined
  /** Resolves when the answer may go out. */
  readonly until?: Promise<void>
  /** Cuts the connection: before anything is stored, after storing without an answer, or in the middle of the answer. */
  readonly cut?: 'before' | 'after' | 'in_answer'
}

interface StubRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface StubTls {
  readonly key: string | Buffer
  readonly cert: string | Buffer
  readonly ca?: string | readonly Buffer[]
  readonly requestCert?: boolean
  readonly rejectUnauthorized?: boolean
}

export interface StubSettings {
  readonly port?: number
  readonly tls?: StubTls
  /** Decides about every bulk request. */
  readonly onBulk?: (bulk: StubBulk) => StubBehaviour | undefined
  /** Answers any other request by itself: status and JSON. */
  readonly onRequest?: (request: StubRequest) => { readonly status: number; readonly json: unknown } | undefined
  /** Leaves the product header out, as another product would. */
  readonly without_product_header?: boolean
}

export interface StubElasticsearch {
  readonly url: string
  readonly port: number
  /** Index -> id -> text of the document. */
  readonly documents: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly bulks: readonly StubBulk[]
  /** All requests that are not bulk requests. */
  readonly requests: readonly StubRequest[]
  /** Index templates by name, as they were put. */
  readonly templates: Map<string, unknown>
  onBulk: ((bulk: StubBulk) => StubBehaviour | undefined) | undefined
  onRequest: StubSettings['onRequest']
  /** From the next connection on. */
  renewCertificates(tls: StubTls): void
  close(): Promise<void>
}

/** Elasticsearch's HTTP side as far as the output uses it, on 127.0.0.1, told how to misbehave. */
export async function startStubElasticsearch(settings: StubSettings = {}): Promise<StubElasticsearch> {
  const documents = new Map<string, Map<string, string>>()
  const bulks: StubBulk[] = []
  const requests: StubRequest[] = []
  const templates = new Map<string, unknown>()
  let generated = 0

  const store = (item: StubItem): { status: number; error?: object } => {
    const index = documents.get(item.index) ?? new Map<string, string>()
    documents.set(item.index, index)
    const id = item.id ?? `generated-${++generated}`
    const present = index.has(id)
    if (present && item.operation === 'create') {
      const reason = `[${id}]: version conflict, document already exists (current version [1])`
      return { status: 409, error: { type: 'version_conflict_engine_exception', reason } }
    }
    index.set(id, item.source)
    return { status: present ? 200 : 201 }
  }

  const answerBulk = async (bulk: StubBulk, response: ServerResponse): Promise<void> => {
    const behaviour = stub.onBulk?.(bulk) ?? {}
    if (behaviour.cut === 'before') return void response.destroy()
    if (behaviour.status !== undefined) {
      await behaviour.until
      response.writeHead(behaviour.status, { 'content-type': 'application/json', ...behaviour.headers })
      response.end(behaviour.reply ?? '{}')
      return
    }
    let errors = false
    const items = bulk.items.map((item, position) => {
      const error = behaviour.item?.(item, position)
      const result =
        error === undefined ? store(item) : { status: error.status, error: { reason: 'refused by the stub', ...error } }
      if ('error' in result) errors = true
      return { [item.operation]: result }
    })
    if (behaviour.cut === 'after') return void response.destroy()
    const reply = Buffer.from(behaviour.reply ?? JSON.stringify({ errors, items }))
    await behaviour.until
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': reply.length, ...behaviour.headers })
    if (behaviour.cut === 'in_answer') {
      response.write(reply.subarray(0, reply.length >> 1), () => response.destroy())
    } else response.end(reply)
  }

  const answerOther = (request: StubRequest, response: ServerResponse): void => {
    const { status, json } = stub.onRequest?.(request) ?? ownAnswer(request)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(json))
  }

  const ownAnswer = ({ method, url, body }: StubRequest): { status: number; json: unknown } => {
    const name = /^\/_index_template\/([^?]+)/.exec(url)?.[1]
    if (name === undefined) return { status: 200, json: { version: { number: '8.19.0' } } }
    if (method === 'PUT') {
      templates.set(name, JSON.parse(body))
      return { status: 200, json: { acknowledged: true } }
    }
    if (!templates.has(name)) return { status: 404, json: { error: { type: 'resource_not_found_exception' }, status: 404 } }
    return { status: 200, json: { index_templates: [{ name, index_template: templates.get(name) }] } }
  }

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (settings.without_product_header !== true) response.setHeader('x-elastic-product', 'Elasticsearch')
    const pieces: Buffer[] = []
    for await (const piece of incoming) pieces.push(piece as Buffer)
    const raw = Buffer.concat(pieces)
    const body = incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
    const { url = '', headers, method = '' } = incoming
    if (!/\/_bulk(\?|$)/.test(url)) {
      const request = { method, url, headers, body: body.toString() }
      requests.push(request)
      return answerOther(request, response)
    }
    const bulk = {
      number: bulks.length + 1,
      items: readItems(body),
      body,
      headers,
      url,
      client_serial: serialOf(incoming.socket),
    }
    bulks.push(bulk)
    await answerBulk(bulk, response)
  }

  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    // A request that broke off is the test's doing.
    handle(incoming, response).catch(() => response.destroy())
  }
  const server = settings.tls === undefined ? createServer(listener) : createTlsServer(tlsOptions(settings.tls), listener)
  // As Elasticsearch does: it does not hang up on who is silent, which a slow test would meet as a reset connection.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => {
    server.listen(settings.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const stub: StubElasticsearch = {
    url: `${settings.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    documents,
    bulks,
    requests,
    templates,
    onBulk: settings.onBulk,
    onRequest: settings.onRequest,
    renewCertificates: (tls) => {
      if (server instanceof TlsServer) server.setSecureContext(tlsOptions(tls))
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return stub
}

function tlsOptions({ ca, ...tls }: StubTls): TlsOptions {
  return { ...tls, ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }) }
}

function serialOf(socket: Socket): string | undefined {
  return socket instanceof TLSSocket ? socket.getPeerCertificate().serialNumber : undefined
}

/** Lines by turns: action, document; a deletion has no document. */
function readItems(body: Buffer): StubItem[] {
  if (body.at(-1) !== 0x0a) throw new Error('expected a bulk body to end with a newline')
  const lines = body.toString().split('\n')
  const items: StubItem[] = []
  for (let line = 0; line + 1 < lines.length; line++) {
    const [[operation, action] = ['', {}]] = Object.entries(
      JSON.parse(lines[line] ?? '') as { [operation: string]: { [name: string]: unknown } },
    )
    const id = action['_id']
    const source = operation === 'delete' ? '' : (lines[++line] ?? '')
    items.push({
      operation,
      action,
      index: String(action['_index']),
      id: typeof id === 'string' ? id : undefined,
      source,
    })
  }
  return items
}
