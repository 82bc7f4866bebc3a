import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import { createInflate } from 'node:zlib'
import type { Slice } from './byte-queue.ts'
import { FrameError } from './closing.ts'
import { type CompressedFrame, type DataFrame, FrameDecoder, type FrameLimits, type WindowFrame } from './frames.ts'
import { BLOCK_BYTES, type InflatedMemory } from './inflated-memory.ts'
import { Inflater } from './inflater.ts'

/**
 * A compressed frame may hold compressed frames, whose content then holds events. No client is known that does
 * so; without a limit a few bytes could be nested for ever.
 */
const COMPRESSION_DEPTH_MAX = 2

/** After so many inflated bytes, 1 to 2 ms, others have their turn of the event loop. */
const ONE_GO_BYTES = BLOCK_BYTES
/** What a frame takes beside its bytes, in bytes: 64 of them have one go. */
const FRAME_COST_BYTES = ONE_GO_BYTES / 64

/** What a pass over the frames of a window may find, lowered on its way, and where it puts that. */
export interface Pass {
  /** Bytes that may still be inflated. */
  bytes: number
  /** Events that may still be found. */
  events: number
  /** Compressed frames that may still be found inside of others. */
  nested: number
  readonly memory: InflatedMemory
}

/**
 * Inflates a frame and cuts what is inside into events: some at a time, in their order. They are in the memory of the pass: when the
 * next ones are asked for, it is written over unless it is held.
 * Frames are checked while they are inflated: no more is inflated of zeros, nor over the limits of the pass.
 * @throws FrameError for what is damaged, too large, nested too deep, or not events
 */
export async function* inflateFrame(
  frame: CompressedFrame,
  limits: FrameLimits,
  pass: Pass,
  signal: AbortSignal,
  depth = 1,
): AsyncGenerator<readonly DataFrame[]> {
  const { memory } = pass
  // What is around a frame inside of a frame is needed when that is done.
  const mark = depth === 1 ? undefined : memory.mark
  const decoder = new FrameDecoder({ ...limits, max_whole_bytes: limits.max_event_bytes })
  for await (const piece of inflate(frame.body, pass, signal)) {
    pass.bytes -= piece.length
    if (pass.bytes < 0) {
      throw new FrameError(
        'inflated_too_large',
        'expected a window that inflates to at most max_inflated_bytes, but there is more: raise it if the sender is right',
      )
    }
    decoder.push(piece)
    let events: DataFrame[] = []
    for (let inner = decoder.next(); inner !== undefined; inner = decoder.next()) {
      if (inner.kind !== 'compressed') {
        checkInner(inner, pass)
        if (inner.body.source !== piece) memory.adopt(inner.body.source.buffer)
        events.push(inner)
        continue
      }
      checkNested(depth, pass)
      if (events.length > 0) yield events
      events = []
      yield* inflateFrame(inner, limits, pass, signal, depth + 1)
    }
    decoder.ownWaiting()
    yield events
    if (memory.isHeld) continue
    if (mark === undefined) memory.clear()
    else memory.backTo(mark)
  }
  if (!decoder.isBetweenFrames) {
    throw new FrameError('corrupt_compression', 'expected whole frames in a compressed frame, but the last one is cut short')
  }
}

/** @throws FrameError for what is no event, or one too many */
function checkInner(frame: DataFrame | WindowFrame, pass: Pass): asserts frame is DataFrame {
  if (frame.kind === 'window') {
    throw new FrameError('frame_outside_window', 'expected only events in a compressed frame, got a window frame')
  }
  if (--pass.events < 0) {
    throw new FrameError('frame_outside_window', 'expected as many events as the window frame announced, but there are more')
  }
}

/** @throws FrameError for a level or a frame too many: a few bytes could hold millions of empty ones */
function checkNested(depth: number, pass: Pass): void {
  if (depth >= COMPRESSION_DEPTH_MAX) {
    throw new FrameError('nested_too_deep', `expected compressed frames nested at most ${COMPRESSION_DEPTH_MAX - 1} level deep`)
  }
  if (--pass.nested < 0) {
    throw new FrameError('frame_outside_window', 'expected at most one compressed frame for each event of its window')
  }
}

/** The content, in pieces that are as large as there is room. */
async function* inflate(body: Slice, pass: Pass, signal: AbortSignal): AsyncGenerator<Buffer> {
  using inflater = Inflater.of(body)
  if (inflater === undefined) return yield* inflateWithStream(body, pass.memory, signal)
  let isWhole = false
  while (!isWhole) {
    if (since_others_bytes >= ONE_GO_BYTES) await letOthersWork()
    signal.throwIfAborted()
    // One byte more than allowed tells that there is too much.
    const room = pass.memory.room(pass.bytes + 1)
    const bytes = inflateInto(inflater, room)
    isWhole = bytes < room.length
    pass.memory.use(bytes)
    pass.memory.expected_bytes = inflater.expected_bytes
    since_others_bytes += bytes + FRAME_COST_BYTES
    if (bytes > 0) yield room.subarray(0, bytes)
  }
}

/** Inflated by any connection since others had their turn. */
let since_others_bytes = 0

async function letOthersWork(): Promise<void> {
  since_others_bytes = 0
  await nextTurnOfTheLoop()
}

/** @throws FrameError */
function inflateInto(inflater: Inflater, room: Buffer): number {
  try {
    return inflater.inflateInto(room)
  } catch (thrown) {
    throw corrupt(thrown)
  }
}

/** The same with what Node's manual promises: memory is fresh, and each piece is copied. */
export async function* inflateWithStream(body: Slice, memory: InflatedMemory, signal: AbortSignal): AsyncGenerator<Buffer> {
  const inflater = createInflate()
  inflater.end(body.source.subarray(body.start, body.end))
  try {
    for await (const piece of inflater as AsyncIterable<Buffer>) {
      signal.throwIfAborted()
      for (let at = 0; at < piece.length; ) {
        const room = memory.room(piece.length - at)
        memory.use(piece.copy(room, 0, at))
        at += room.length
        yield room
      }
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
