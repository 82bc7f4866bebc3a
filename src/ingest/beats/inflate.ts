import { createInflate, inflateSync } from 'node:zlib'
import { unlessAborted } from '../../core/waiting.ts'
import { FrameError } from './closing.ts'
import { type CompressedFrame, type DataFrame, FrameDecoder, type FrameLimits, type WindowFrame } from './frames.ts'

/**
 * A compressed frame may hold compressed frames, whose content then holds events. No client is known that does
 * so; without a limit a few bytes could be nested for ever.
 */
const COMPRESSION_DEPTH_MAX = 2

/** Inflating up to this in one go takes some milliseconds of the event loop; Filebeat's windows have 1 to 4 MiB. */
const ONE_GO_BYTES_MAX = 6 * 1024 * 1024
/** Above this a compressed frame goes to the thread pool at once. */
const ONE_GO_COMPRESSED_BYTES_MAX = 1024 * 1024
/**
 * What did not fit into one go left its megabytes to the collector, and a bomb seldom comes alone: for so long all larger
 * frames go to the thread pool, whose pieces are freed. Twice as long each time that the next one comes soon after.
 */
const TOO_LARGE_FOR_MS = 1_000
const TOO_LARGE_FOR_MS_MAX = 30_000
/** Deflate shrinks no more than this: a frame of some bytes is small for certain. */
const RATIO_MAX = 1_032
/** JSON logs shrink about 12 times at level 3: the whole then fits into one piece and is not copied together. */
const EXPECTED_RATIO = 16
const PIECE_BYTES_MIN = 4 * 1024
const PIECE_BYTES_MAX = 4 * 1024 * 1024
/** The piece of a large frame that is looked at before more is inflated. */
export const STREAMED_PIECE_BYTES = 256 * 1024

/** How much a window may still grow. Shared by its frames and lowered while they are inflated. */
export interface Allowance {
  /** Bytes that may still be inflated. */
  bytes: number
  /** Events that may still be found. */
  events: number
  /** Compressed frames that may still be found inside of others. */
  nested: number
  /** It is only looked through: nothing that is found waits for the pipeline. */
  readonly is_look: boolean
}

/** Memory that may be freed: what was inflated, and the events that lie across two pieces of it. */
export type Memory = Set<ArrayBufferLike>

export interface Inflated {
  readonly events: readonly DataFrame[]
  readonly memory: Memory
}

/**
 * Frees it at once; nobody may look into it any more. Left to the collector, these megabytes outlive two of its quick
 * rounds and stay until a full one: 60 MB of a busy process.
 */
export function free(memory: Memory): void {
  for (const block of memory) {
    // A small piece may be of the pool that all of Node's buffers share.
    if (block instanceof ArrayBuffer && block.byteLength > Buffer.poolSize) block.transfer(0)
  }
  memory.clear()
}

/**
 * Inflates a frame and cuts what is inside into events: some at a time, in their order, with the memory that they are in.
 * Frames are checked while they are inflated: nothing is kept of zeros, and no more than the allowance of the rest.
 * @throws FrameError for what is damaged, too large, nested too deep, or not events
 */
export async function* inflateFrame(
  frame: CompressedFrame,
  limits: FrameLimits,
  allowance: Allowance,
  signal: AbortSignal,
  depth = 1,
): AsyncGenerator<Inflated> {
  const { source, start, end } = frame.body
  const decoder = new FrameDecoder({ ...limits, max_whole_bytes: limits.max_event_bytes })
  for await (const piece of inflate(source.subarray(start, end), allowance, signal, depth)) {
    allowance.bytes -= piece.length
    if (allowance.bytes < 0) {
      throw new FrameError(
        'inflated_too_large',
        'expected a window that inflates to at most max_inflated_bytes, but there is more: raise it if the sender is right',
      )
    }
    decoder.push(piece)
    let events: DataFrame[] = []
    for (let inner = decoder.next(); inner !== undefined; inner = decoder.next()) {
      if (inner.kind !== 'compressed') {
        checkInner(inner, allowance)
        events.push(inner)
        continue
      }
      checkNested(depth, allowance)
      if (events.length > 0) yield { events, memory: new Set() }
      events = []
      yield* inflateFrame(inner, limits, allowance, signal, depth + 1)
    }
    decoder.ownWaiting()
    const memory: Memory = new Set([piece.buffer])
    for (const { body } of events) memory.add(body.source.buffer)
    yield { events, memory }
  }
  if (!decoder.isBetweenFrames) {
    throw new FrameError('corrupt_compression', 'expected whole frames in a compressed frame, but the last one is cut short')
  }
}

/** @throws FrameError for what is no event, or one too many */
function checkInner(frame: DataFrame | WindowFrame, allowance: Allowance): asserts frame is DataFrame {
  if (frame.kind === 'window') {
    throw new FrameError('frame_outside_window', 'expected only events in a compressed frame, got a window frame')
  }
  if (--allowance.events < 0) {
    throw new FrameError('frame_outside_window', 'expected as many events as the window frame announced, but there are more')
  }
}

/** @throws FrameError for a level or a frame too many: a few bytes could hold millions of empty ones */
function checkNested(depth: number, allowance: Allowance): void {
  if (depth >= COMPRESSION_DEPTH_MAX) {
    throw new FrameError('nested_too_deep', `expected compressed frames nested at most ${COMPRESSION_DEPTH_MAX - 1} level deep`)
  }
  if (--allowance.nested < 0) {
    throw new FrameError('frame_outside_window', 'expected at most one compressed frame for each event of its window')
  }
}

/** The content, in one piece where that is small. */
async function* inflate(compressed: Buffer, allowance: Allowance, signal: AbortSignal, depth: number): AsyncGenerator<Buffer> {
  const whole = inflateInOneGo(compressed, allowance.bytes)
  if (whole !== undefined) return void (yield whole)
  // What is inside of a frame is looked at in the turn of that frame.
  using _alone = allowance.is_look && depth === 1 ? await lookAlone(signal) : undefined
  yield* inflateStreamed(compressed, signal)
}

let pooled_until_ms = -Infinity
let pooled_for_ms = TOO_LARGE_FOR_MS

/** The whole content, or `undefined` where it is too large for that, or may be. */
function inflateInOneGo(compressed: Buffer, allowed_bytes: number): Buffer | undefined {
  const is_small = compressed.length * RATIO_MAX <= STREAMED_PIECE_BYTES
  if (!is_small && (compressed.length > ONE_GO_COMPRESSED_BYTES_MAX || performance.now() < pooled_until_ms)) return undefined
  const maxOutputLength = Math.max(1, Math.min(ONE_GO_BYTES_MAX, allowed_bytes))
  const expected = compressed.length * EXPECTED_RATIO
  const chunkSize = Math.min(Math.max(expected, PIECE_BYTES_MIN), PIECE_BYTES_MAX)
  try {
    return inflateSync(compressed, { chunkSize, maxOutputLength })
  } catch (thrown) {
    if (codeOf(thrown) === 'ERR_BUFFER_TOO_LARGE') {
      sendToPool()
      return undefined
    }
    throw corrupt(thrown)
  }
}

function sendToPool(): void {
  const now_ms = performance.now()
  const comes_soon = now_ms - pooled_until_ms < pooled_for_ms
  pooled_for_ms = comes_soon ? Math.min(pooled_for_ms * 2, TOO_LARGE_FOR_MS_MAX) : TOO_LARGE_FOR_MS
  pooled_until_ms = now_ms + pooled_for_ms
}

/** Resolves when no large frame is being looked through any more. */
let last_look: Promise<void> = Promise.resolve()

/**
 * Waits until nobody else looks through a large frame; disposing of it lets the next one begin. One bomb at a time: two would take
 * twice the memory and be done no sooner. Not for frames whose events are handed on, which wait for the pipeline.
 */
async function lookAlone(signal: AbortSignal): Promise<Disposable> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const before = last_look
  last_look = before.then(() => promise)
  try {
    await unlessAborted(before, signal)
    return { [Symbol.dispose]: resolve }
  } catch (thrown) {
    resolve()
    throw thrown
  }
}

/** Hands the content on piece by piece; the pool inflates the next one only when the last was looked at. */
async function* inflateStreamed(compressed: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
  const inflater = createInflate({ chunkSize: STREAMED_PIECE_BYTES })
  inflater.end(compressed)
  try {
    for await (const piece of inflater as AsyncIterable<Buffer>) {
      signal.throwIfAborted()
      // Into one that is not full zlib may write again, at the end: that memory is not ours to free.
      yield piece.length === piece.buffer.byteLength ? piece : Buffer.from(piece)
    }
  } catch (thrown) {
    throw signal.aborted ? thrown : corrupt(thrown)
  }
}

function corrupt(thrown: unknown): FrameError {
  return new FrameError('corrupt_compression', `expected a whole zlib stream in a compressed frame, got ${codeOf(thrown)}`)
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown)
}
