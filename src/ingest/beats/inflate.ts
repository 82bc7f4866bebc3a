import { createInflate, inflateSync } from 'node:zlib'
import type { Slice } from './byte-queue.ts'
import { FrameError } from './closing.ts'
import { type CompressedFrame, type DataFrame, FrameDecoder, type FrameLimits } from './frames.ts'

/**
 * A compressed frame may hold compressed frames, whose content then holds events. No client is known that does
 * so; without a limit a few bytes could be nested for ever.
 */
const COMPRESSION_DEPTH_MAX = 2

/** Inflating up to this in one go takes some milliseconds of the event loop; Filebeat's windows have 1 to 4 MiB. */
const ONE_GO_BYTES_MAX = 16 * 1024 * 1024
/** Above this a compressed frame goes to the thread pool at once. */
const ONE_GO_COMPRESSED_BYTES_MAX = 1024 * 1024
/** JSON logs shrink about 12 times at level 3: the whole then fits into one piece and is not copied together. */
const EXPECTED_RATIO = 16
const PIECE_BYTES_MIN = 64 * 1024
const PIECE_BYTES_MAX = 4 * 1024 * 1024
/** The piece of a large frame that is looked at before more is inflated. */
const STREAMED_PIECE_BYTES = 256 * 1024

/** How much a window may still grow. Shared by its frames and lowered while they are inflated. */
export interface Allowance {
  /** Bytes that may still be inflated. */
  bytes: number
  /** Events that may still be found. */
  events: number
}

/**
 * Inflates a frame and cuts what is inside into events, in their order.
 * Frames are checked while they are inflated: nothing is kept of zeros, and no more than the allowance of the rest.
 * @throws FrameError for what is damaged, too large, nested too deep, or not events
 */
export async function inflateFrame(
  frame: CompressedFrame,
  limits: FrameLimits,
  allowance: Allowance,
  signal: AbortSignal,
  depth = 1,
): Promise<DataFrame[]> {
  const found: DataFrame[] = []
  for (const inner of await unpack(frame.body, limits, allowance, signal)) {
    if (inner.kind !== 'compressed') {
      found.push(inner)
      continue
    }
    if (depth >= COMPRESSION_DEPTH_MAX) {
      throw new FrameError('nested_too_deep', `expected compressed frames nested at most ${COMPRESSION_DEPTH_MAX - 1} level deep`)
    }
    for (const event of await inflateFrame(inner, limits, allowance, signal, depth + 1)) found.push(event)
  }
  return found
}

type InnerFrame = DataFrame | CompressedFrame

async function unpack(body: Slice, limits: FrameLimits, allowance: Allowance, signal: AbortSignal): Promise<InnerFrame[]> {
  const compressed = body.source.subarray(body.start, body.end)
  const decoder = new FrameDecoder(limits)
  const found: InnerFrame[] = []
  const whole = inflateInOneGo(compressed, allowance.bytes)
  if (whole === undefined) {
    await inflateStreamed(compressed, signal, (piece) => collect(piece, decoder, found, allowance))
  } else {
    collect(whole, decoder, found, allowance)
  }
  if (!decoder.isBetweenFrames) {
    throw new FrameError('corrupt_compression', 'expected whole frames in a compressed frame, but the last one is cut short')
  }
  return found
}

/** Takes the frames out of the next inflated piece. */
function collect(piece: Buffer, decoder: FrameDecoder, found: InnerFrame[], allowance: Allowance): void {
  allowance.bytes -= piece.length
  if (allowance.bytes < 0) {
    throw new FrameError(
      'inflated_too_large',
      'expected a window that inflates to at most max_inflated_bytes, but there is more: raise it if the sender is right',
    )
  }
  decoder.push(piece)
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
    if (frame.kind === 'window') {
      throw new FrameError('frame_outside_window', 'expected only events in a compressed frame, got a window frame')
    }
    if (frame.kind !== 'compressed' && --allowance.events < 0) {
      throw new FrameError('frame_outside_window', 'expected as many events as the window frame announced, but there are more')
    }
    found.push(frame)
  }
}

/** The whole content, or `undefined` where it is too large for that. */
function inflateInOneGo(compressed: Buffer, allowed_bytes: number): Buffer | undefined {
  if (compressed.length > ONE_GO_COMPRESSED_BYTES_MAX) return undefined
  const maxOutputLength = Math.max(1, Math.min(ONE_GO_BYTES_MAX, allowed_bytes))
  const expected = compressed.length * EXPECTED_RATIO
  const chunkSize = Math.min(Math.max(expected, PIECE_BYTES_MIN), PIECE_BYTES_MAX)
  try {
    return inflateSync(compressed, { chunkSize, maxOutputLength })
  } catch (thrown) {
    if (codeOf(thrown) === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw corrupt(thrown)
  }
}

/** Hands the content on piece by piece; the pool inflates the next one only when the last was looked at. */
async function inflateStreamed(compressed: Buffer, signal: AbortSignal, take: (piece: Buffer) => void): Promise<void> {
  const inflater = createInflate({ chunkSize: STREAMED_PIECE_BYTES })
  inflater.end(compressed)
  try {
    for await (const piece of inflater as AsyncIterable<Buffer>) {
      signal.throwIfAborted()
      take(piece)
    }
  } catch (thrown) {
    throw thrown instanceof FrameError || signal.aborted ? thrown : corrupt(thrown)
  }
}

function corrupt(thrown: unknown): FrameError {
  return new FrameError('corrupt_compression', `expected a whole zlib stream in a compressed frame, got ${codeOf(thrown)}`)
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown)
}
