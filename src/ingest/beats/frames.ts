import { ByteQueue, type Slice } from './byte-queue.ts'
import { describeStrangers, FrameError } from './closing.ts'

/** `2` as Beats speak it, `1` as logstash-forwarder did. Both may be mixed; an answer has its window's version. */
export type Version = 1 | 2

export interface WindowFrame {
  readonly kind: 'window'
  readonly version: Version
  /** Events that follow until the client waits for the answer. */
  readonly count: number
}

/** One event. */
export interface DataFrame {
  /** `json`: an object as JSON. `pairs`: names and values, each behind its length. */
  readonly kind: 'json' | 'pairs'
  readonly sequence: number
  /** Announced by the sender. Larger than the body where that is only the beginning of an event that is too large. */
  readonly size_bytes: number
  readonly body: Slice
}

export interface CompressedFrame {
  readonly kind: 'compressed'
  /** A zlib stream of further frames. */
  readonly body: Slice
}

export type Frame = WindowFrame | DataFrame | CompressedFrame

export interface FrameLimits {
  /** Longest body of a frame. */
  readonly max_frame_bytes: number
  /** Of a larger event only the beginning is kept. */
  readonly max_event_bytes: number
  /** Longest body of a frame that has to be there as a whole: compressed ones and pairs. Default: `max_frame_bytes`. */
  readonly max_whole_bytes?: number
}

/** So much is kept of an event that is too large: what the dead letters keep. */
export const OVERSIZED_KEPT_BYTES = 64 * 1024
/** Names and values in a `D` frame. logstash-forwarder sent about five. */
const PAIRS_MAX = 10_000

const VERSION_1 = 0x31
const VERSION_2 = 0x32
const TYPE_WINDOW = 0x57
const TYPE_JSON = 0x4a
const TYPE_PAIRS = 0x44
const TYPE_COMPRESSED = 0x43

/**
 * Cuts a byte stream into Lumberjack frames, wherever the chunks of the stream end. All numbers are big-endian.
 *
 *     window      version 'W' | u32 count
 *     json        version 'J' | u32 sequence | u32 length | length bytes of JSON
 *     pairs       version 'D' | u32 sequence | u32 pairs  | pairs times: u32 length, name, u32 length, value
 *     compressed  version 'C' | u32 length   | length bytes of zlib, in them frames again
 *     ack         version 'A' | u32 sequence                             (our answer, see `encodeAck`)
 *
 * version is the digit `1` or `2`.
 */
export class FrameDecoder {
  readonly #limits: FrameLimits
  readonly #bytes = new ByteQueue()
  /** An event that is too large: its beginning, handed out when the rest has passed by. */
  #oversized: DataFrame | undefined
  #isOversizedOwned = false
  #skip_bytes = 0
  /** How far a `D` frame that has not come whole was walked: lengths left to read, and where the next one is. */
  #lengths_left = -1
  #next_length_at = 0

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  push(chunk: Buffer): void {
    this.#bytes.push(chunk)
  }

  /** Bytes that wait for the rest of their frame. */
  get waiting_bytes(): number {
    return this.#bytes.length
  }

  /** Whether the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#bytes.length === 0 && this.#oversized === undefined
  }

  clear(): void {
    this.#bytes.clear()
  }

  /** Copies what waits for the rest of its frame, so that the memory of what was pushed may be freed. */
  ownWaiting(): void {
    this.#bytes.own()
    if (this.#oversized === undefined || this.#isOversizedOwned) return
    const { source, start, end } = this.#oversized.body
    const body = { source: Buffer.from(source.subarray(start, end)), start: 0, end: end - start }
    this.#oversized = { ...this.#oversized, body }
    this.#isOversizedOwned = true
  }

  /**
   * The next frame that is there as a whole, or `undefined` until more bytes come.
   * @throws FrameError where the stream is not Lumberjack or goes over a limit; the decoder is of no use after that
   */
  next(): Frame | undefined {
    if (this.#oversized !== undefined) return this.#finishOversized(this.#oversized)
    const bytes = this.#bytes
    if (bytes.length === 0) return undefined
    const first = bytes.byteAt(0)
    if (first !== VERSION_1 && first !== VERSION_2) throw new FrameError('not_lumberjack', describeStrangers(bytes.peek(16)))
    if (bytes.length < 2) return undefined
    switch (bytes.byteAt(1)) {
      case TYPE_JSON:
        return this.#json()
      case TYPE_COMPRESSED:
        return this.#compressed()
      case TYPE_WINDOW:
        return this.#window(first === VERSION_1 ? 1 : 2)
      case TYPE_PAIRS:
        return this.#pairs()
      default:
        throw new FrameError(
          'unknown_frame_type',
          `expected a frame of type W, J, D or C, got ${bytes.peek(2).toString('hex')}: the stream is damaged or not Lumberjack`,
        )
    }
  }

  #window(version: Version): WindowFrame | undefined {
    if (this.#bytes.length < 6) return undefined
    const count = this.#bytes.uint32At(2)
    this.#bytes.skip(6)
    return { kind: 'window', version, count }
  }

  #compressed(): CompressedFrame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 6) return undefined
    const length = bytes.uint32At(2)
    this.#checkWhole(length)
    if (bytes.length < 6 + length) return undefined
    bytes.skip(6)
    return { kind: 'compressed', body: bytes.take(length) }
  }

  #json(): DataFrame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 10) return undefined
    const length = bytes.uint32At(6)
    this.#checkLength(length)
    const kept = length > this.#limits.max_event_bytes ? Math.min(length, OVERSIZED_KEPT_BYTES) : length
    if (bytes.length < 10 + kept) return undefined
    const sequence = bytes.uint32At(2)
    bytes.skip(10)
    const frame: DataFrame = { kind: 'json', sequence, size_bytes: length, body: bytes.take(kept) }
    if (kept === length) return frame
    this.#oversized = frame
    this.#isOversizedOwned = false
    this.#skip_bytes = length - kept
    return this.#finishOversized(frame)
  }

  #finishOversized(frame: DataFrame): DataFrame | undefined {
    this.#skip_bytes -= this.#bytes.skip(this.#skip_bytes)
    if (this.#skip_bytes > 0) return undefined
    this.#oversized = undefined
    return frame
  }

  #pairs(): DataFrame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 10) return undefined
    if (this.#lengths_left < 0) {
      const pairs = bytes.uint32At(6)
      if (pairs > PAIRS_MAX) {
        throw new FrameError('too_many_fields', `expected at most ${PAIRS_MAX} fields in an event of version 1, got ${pairs}`)
      }
      this.#lengths_left = pairs * 2
      this.#next_length_at = 10
    }
    while (this.#lengths_left > 0 && bytes.length >= this.#next_length_at + 4) {
      this.#next_length_at += 4 + bytes.uint32At(this.#next_length_at)
      this.#lengths_left--
      this.#checkWhole(this.#next_length_at - 10)
    }
    if (this.#lengths_left > 0 || bytes.length < this.#next_length_at) return undefined
    const sequence = bytes.uint32At(2)
    const length = this.#next_length_at - 10
    this.#lengths_left = -1
    bytes.skip(10)
    return { kind: 'pairs', sequence, size_bytes: length, body: bytes.take(length) }
  }

  #checkWhole(length: number): void {
    this.#checkLength(length)
    const { max_whole_bytes = length } = this.#limits
    if (length <= max_whole_bytes) return
    throw new FrameError(
      'frame_too_large',
      `expected a frame of at most ${max_whole_bytes} bytes inside of a compressed one, got one of ${length}: raise max_event_bytes if the sender is right`,
    )
  }

  #checkLength(length: number): void {
    if (length <= this.#limits.max_frame_bytes) return
    throw new FrameError(
      'frame_too_large',
      `expected a frame of at most max_frame_bytes = ${this.#limits.max_frame_bytes}, got one of ${length}: raise it if the sender is right`,
    )
  }
}

/** Calls `each` for every name and value of a `D` frame's body, which the decoder has measured. */
export function readPairs(body: Slice, each: (name: string, value: string) => void): void {
  let at = body.start
  const next = (): string => {
    const start = at + 4
    at = start + body.source.readUInt32BE(at)
    return body.source.toString('utf8', start, at)
  }
  while (at < body.end) each(next(), next())
}

/** Acknowledges the first `sequence` events of the oldest window; 0 keeps the client waiting patiently. */
export function encodeAck(version: Version, sequence: number): Buffer {
  const frame = Buffer.allocUnsafe(6)
  frame[0] = version === 1 ? VERSION_1 : VERSION_2
  frame[1] = 0x41
  frame.writeUInt32BE(sequence, 2)
  return frame
}
