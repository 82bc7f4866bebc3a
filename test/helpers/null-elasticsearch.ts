import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface NullElasticsearch {
  readonly url: string
  /** Documents and bulk requests so far. */
  readonly counts: { documents: number; requests: number; bytes: number }
  close(): Promise<void>
}

const NEWLINE = 0x0a

/**
 * An Elasticsearch that stores nothing: it counts newlines and says that all went well, with one item for each document.
 * For benches, so it does as little as possible. `GET /_counts` tells what came so far. As a program of its own:
 * `node test/helpers/null-elasticsearch.ts PORT` prints its URL.
 */
export async function startNullElasticsearch(port = 0): Promise<NullElasticsearch> {
  const counts = { documents: 0, requests: 0, bytes: 0 }
  const replies = new Map<number, Buffer>()
  const server = createServer((request, response) => {
    response.setHeader('x-elastic-product', 'Elasticsearch')
    response.setHeader('content-type', 'application/json')
    if (request.method === 'POST') countBulk(request, response, counts, replies)
    else {
      request.resume()
      // No template is there, and whatever is put is taken.
      if (request.method === 'GET' && request.url?.startsWith('/_index_template/') === true) response.statusCode = 404
      response.end(JSON.stringify(request.url?.startsWith('/_counts') === true ? counts : { version: { number: '8.19.0' } }))
    }
  })
  // As Elasticsearch does: it does not hang up on who is silent.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function countBulk(
  request: IncomingMessage,
  response: ServerResponse,
  counts: NullElasticsearch['counts'],
  replies: Map<number, Buffer>,
): void {
  let newlines = 0
  request.on('data', (piece: Buffer) => {
    counts.bytes += piece.length
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) newlines++
  })
  request.on('end', () => {
    const documents = newlines >> 1
    counts.documents += documents
    counts.requests++
    response.end(replyFor(documents, replies))
  })
}

/** Batches are of few sizes, so an answer is made once for each. */
function replyFor(documents: number, replies: Map<number, Buffer>): Buffer {
  let reply = replies.get(documents)
  if (reply === undefined) {
    const items = Array.from({ length: documents }, () => '{"create":{"status":201}}')
    reply = Buffer.from(`{"errors":false,"took":1,"items":[${items.join(',')}]}`)
    if (replies.size < 10_000) replies.set(documents, reply)
  }
  return reply
}

if (import.meta.main) {
  const { url } = await startNullElasticsearch(Number(process.argv[2] ?? 0))
  process.stdout.write(`${url}\n`)
}
