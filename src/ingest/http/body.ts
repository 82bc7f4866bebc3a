import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib'
import pLimit from 'p-limit'
import { Refusal } from './refusal.ts'
import type { Lease } from './room.ts'

type Inflate = (packed: Buffer, limits: { readonly maxOutputLength: number }) => Promise<Buffer>

const inflateZlib = promisify(inflate)
const inflateBare = promisify(inflateRaw)

/** By what `content-encoding` names. */
const ENCODINGS = new Map<string, Inflate>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  // Some clients leave out zlib's header.
  ['deflate', (packed, limits) => (hasZlibHeader(packed) ? inflateZlib(packed, limits) : inflateBare(packed, limits))],
  ['br', promisify(brotliDecompress)],
  ['zstd', promisify(zstdDecompress)],
])

/** Each may take as much memory as one body may, before it is known how much. */
const inflating = pLimit(2)

/**
 * Looks at the head of a request before its body is read.
 * @throws Refusal 413 or 415
 */
export function checkHead({ headers }: IncomingMessage, max_bytes: number): void {
  const encoding = encodingOf(headers['content-encoding'])
  if (encoding !== 'identity' && !ENCODINGS.has(encoding)) {
    throw new Refusal(415, `expected content-encoding ${[...ENCODINGS.keys()].join(', ')} or none, got ${encoding}`)
  }
  if (Number(headers['content-length'] ?? 0) > max_bytes) throw tooLarge(max_bytes)
}

/**
 * Reads the whole body, inflated. Rejects with a Refusal, or with the request's error when the client has gone.
 * @param stop aborts reading: 503
 */
export async function readBody(request: IncomingMessage, max_bytes: number, lease: Lease, stop: AbortSignal): Promise<Buffer> {
  const raw = await receive(request, max_bytes, lease, stop)
  const unpack = ENCODINGS.get(encodingOf(request.headers['content-encoding']))
  if (unpack === undefined || raw.length === 0) return raw
  const body = await inflating(() => inflated(raw, unpack, max_bytes))
  lease.grow(body.length)
  return body
}

function receive(request: IncomingMessage, max_bytes: number, lease: Lease, stop: AbortSignal): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const pieces: Buffer[] = []
  let bytes = 0
  const abort = (): void => reject(new Refusal(503, 'this program is stopping: send it again'))
  const take = (piece: Buffer): void => {
    bytes += piece.length
    try {
      if (bytes > max_bytes) throw tooLarge(max_bytes)
      lease.grow(piece.length)
      pieces.push(piece)
    } catch (thrown) {
      // What still comes is thrown away until the connection is closed.
      pieces.length = 0
      request.off('data', take)
      reject(thrown)
    }
  }
  stop.addEventListener('abort', abort, { once: true })
  request.on('data', take)
  request.once('end', () => resolve(Buffer.concat(pieces)))
  request.once('error', reject)
  request.once('close', () => reject(new Error('the client has gone')))
  if (stop.aborted) abort()
  return promise.finally(() => stop.removeEventListener('abort', abort))
}

async function inflated(packed: Buffer, unpack: Inflate, max_bytes: number): Promise<Buffer> {
  try {
    return await unpack(packed, { maxOutputLength: max_bytes })
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(max_bytes)
    throw new Refusal(400, `the body is not what its content-encoding says: ${(thrown as Error).message}`)
  }
}

function encodingOf(header: string | undefined): string {
  return header?.trim().toLowerCase() || 'identity'
}

function hasZlibHeader(packed: Buffer): boolean {
  return packed.length >= 2 && ((packed[0] ?? 0) & 0x0f) === 8 && packed.readUInt16BE(0) % 31 === 0
}

function tooLarge(max_bytes: number): Refusal {
  return new Refusal(413, `expected a body of at most ${max_bytes} bytes (max_content_length)`)
}
