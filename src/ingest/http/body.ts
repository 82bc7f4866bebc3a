import type { IncomingMessage } from 'node:http'
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib'
import pLimit from 'p-limit'
import type { Lease } from '../room.ts'
import { PIECE_BYTES } from '../shares.ts'
import { Refusal } from './refusal.ts'

type CreateInflater = (packed: Buffer) => Transform

/** By what `content-encoding` names. */
const ENCODINGS = new Map<string, CreateInflater>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  // Some clients leave out zlib's header.
  ['deflate', (packed) => (hasZlibHeader(packed) ? createInflate() : createInflateRaw())],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
])

/** One at a time: what is looked at is not counted yet. */
const looking = pLimit(1)
/** So much of a body is kept while it is looked at; a larger one is counted to its end first, and inflated again. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024

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
  lease.expected_bytes = Number(request.headers['content-length'] ?? 0)
  const raw = await receive(request, max_bytes, lease, stop)
  const create = ENCODINGS.get(encodingOf(request.headers['content-encoding']))
  return create === undefined || raw.length === 0
    ? raw
    : await inflated(raw, create, max_bytes, lease, () => checkWanted(request, stop))
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
      hold(lease, piece.length + PIECE_BYTES)
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

/** Of a body that turns out to be too large never more than `KEPT_BYTES_MAX` is in memory. */
async function inflated(
  packed: Buffer,
  create: CreateInflater,
  max_bytes: number,
  lease: Lease,
  checkIsWanted: () => void,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  const bytes = await looking(() => {
    checkIsWanted()
    return inflate(packed, create, (piece, so_far) => {
      checkIsWanted()
      if (so_far > max_bytes) throw tooLarge(max_bytes)
      if (so_far <= KEPT_BYTES_MAX) pieces.push(piece)
      else for (const seen of [...pieces.splice(0), piece]) free(seen)
    })
  })
  hold(lease, bytes)
  if (bytes <= KEPT_BYTES_MAX) return Buffer.concat(pieces)
  const whole = Buffer.allocUnsafe(bytes)
  await inflate(packed, create, (piece, so_far) => {
    piece.copy(whole, so_far - piece.length)
    free(piece)
  })
  return whole
}

/**
 * @param take hears each piece, and how many bytes there are with it
 * @returns how many there are
 * @throws Refusal 400, or what `take` throws
 */
async function inflate(packed: Buffer, create: CreateInflater, take: (piece: Buffer, so_far: number) => void): Promise<number> {
  let bytes = 0
  try {
    const inflater = create(packed)
    inflater.end(packed)
    for await (const piece of inflater as AsyncIterable<Buffer>) {
      bytes += piece.length
      take(piece, bytes)
    }
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown
    throw new Refusal(400, `the body is not what its content-encoding says: ${(thrown as Error).message}`)
  }
  return bytes
}

/** @throws Refusal where nobody waits for an answer any more */
function checkWanted(request: IncomingMessage, stop: AbortSignal): void {
  if (stop.aborted || request.socket.destroyed) throw new Refusal(503, 'this program is stopping, or the client has gone')
}

/** At once: left to the collector, a hundred megabytes of pieces are there for a while. Zlib goes on writing behind a piece that is not all of its memory. */
function free({ buffer, length }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0)
}

function encodingOf(header: string | undefined): string {
  return header?.trim().toLowerCase() || 'identity'
}

function hasZlibHeader(packed: Buffer): boolean {
  return packed.length >= 2 && ((packed[0] ?? 0) & 0x0f) === 8 && packed.readUInt16BE(0) % 31 === 0
}

/** @throws Refusal 429 */
function hold(lease: Lease, bytes: number): void {
  if (!lease.grow(bytes)) throw new Refusal(429, 'there is no room for another body now: send it again later')
}

function tooLarge(max_bytes: number): Refusal {
  return new Refusal(413, `expected a body of at most ${max_bytes} bytes (max_content_length)`)
}
