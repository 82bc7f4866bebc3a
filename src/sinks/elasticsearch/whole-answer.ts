import type { Readable } from 'node:stream'
import type { errors, HttpConnection } from '@elastic/elasticsearch'

/** Hardly an answer is near this: 100,000 failed items at 600 bytes. Those that repeat whole documents may be. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024

/** How a request fails whose answer is over that. */
export const ANSWER_TOO_LARGE = 'the answer is too large'

type Connection = Pick<HttpConnection, 'request'>
type RequestParameters = Parameters<Connection['request']>

/**
 * Makes a connection read answers whole, and no further than the limit. The client's own limit leaves an error behind that
 * nobody can catch, and so ends the program.
 */
export function readAnswersWhole(connection: Connection, { ConnectionError, RequestAbortedError }: typeof errors): void {
  const request = connection.request.bind(connection)
  const whole = async (...[params, options]: RequestParameters) => {
    const { statusCode, headers, body } = await request(params, { ...options, asStream: true })
    // What ends early says so once more by itself.
    body.on('error', () => {})
    if (Number(headers['content-length'] ?? 0) > ANSWER_BYTES_MAX) {
      body.destroy()
      throw new RequestAbortedError(ANSWER_TOO_LARGE)
    }
    let bytes: Buffer | undefined
    try {
      bytes = await readUpTo(body, ANSWER_BYTES_MAX)
    } catch (thrown) {
      throw new ConnectionError(thrown instanceof Error ? thrown.message : String(thrown))
    }
    if (bytes === undefined) throw new RequestAbortedError(ANSWER_TOO_LARGE)
    return { statusCode, headers, body: bytes }
  }
  connection.request = whole as unknown as Connection['request']
}

async function readUpTo(body: Readable, bytes_max: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > bytes_max) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces, length)
}
