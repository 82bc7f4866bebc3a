import { FrameError } from './closing.ts'
import type { CompressedFrame, DataFrame, FrameLimits, Version, WindowFrame } from './frames.ts'
import { type Allowance, inflateFrame } from './inflate.ts'

/** What a frame that waits costs beside its bytes: a few objects. */
const FRAME_OVERHEAD_BYTES = 128

export interface WindowLimits extends FrameLimits {
  /** Events in one window. */
  readonly max_window_events: number
  /** Bytes of one window's events, inflated. */
  readonly max_inflated_bytes: number
}

/** A compressed frame whose events are counted only when it is its turn to be inflated. */
interface CompressedPart {
  readonly frame: CompressedFrame
  events: number | undefined
}

/**
 * The events that a client sends between two window frames, and that are answered together. As they came: compressed
 * frames stay compressed until `unpack`. Events are counted by position, for some clients start their sequence
 * numbers again in each window and others go on counting.
 */
export class Window {
  readonly version: Version
  /** As announced. */
  readonly count: number
  /** Memory that the frames so far stand for. */
  held_bytes = 0
  /** Nothing will be added: it is full, or the next window has begun. */
  isClosed = false
  readonly #limits: WindowLimits
  readonly #parts: (DataFrame | CompressedPart)[] = []
  /** Of the parts whose events are known. */
  #events = 0
  #uncounted = 0
  /** The memory behind inflated frames that were handed out. */
  readonly #inflated = new Set<ArrayBufferLike>()

  /** @throws FrameError for more events than allowed: 4 billion is a damaged stream or an attack */
  constructor(frame: WindowFrame, limits: WindowLimits) {
    if (frame.count > limits.max_window_events) {
      throw new FrameError(
        'window_too_large',
        `expected a window of at most max_window_events = ${limits.max_window_events}, got ${frame.count}: ` +
          "raise it if the sender is right, or lower bulk_max_size in Filebeat's output.logstash",
      )
    }
    this.version = frame.version
    this.count = frame.count
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  /** Whether looking into it can tell more: it has all its events, or a compressed frame that was not inflated yet. */
  get isReady(): boolean {
    return this.isClosed || this.#uncounted > 0
  }

  /** @throws FrameError for more than was announced or allowed */
  add(frame: DataFrame | CompressedFrame): void {
    if (frame.kind === 'compressed') {
      this.#parts.push({ frame, events: undefined })
      this.#uncounted++
    } else {
      if (this.#events >= this.count) throw tooManyEvents(this.count)
      this.#parts.push(frame)
      this.#events++
      if (this.#events === this.count && this.#uncounted === 0) this.isClosed = true
    }
    this.held_bytes += frame.body.end - frame.body.start + FRAME_OVERHEAD_BYTES
    if (this.held_bytes > this.#limits.max_inflated_bytes) {
      throw new FrameError(
        'inflated_too_large',
        'expected a window of at most max_inflated_bytes, but there is more: raise it if the sender is right',
      )
    }
  }

  /**
   * All events of the window in their order, after which it holds none itself; or `undefined` when more have to come
   * first: then nothing that was inflated is kept, for a slow sender must not hold it.
   * @throws FrameError for damaged or too large compressed frames
   */
  async unpack(signal: AbortSignal): Promise<DataFrame[] | undefined> {
    const inflated = new Map<CompressedPart, DataFrame[]>()
    let allowance = this.#allowance(this.#events)
    // Frames may be added while one is inflated.
    for (let index = 0; index < this.#parts.length; index++) {
      const part = this.#parts[index]
      if (part === undefined || 'kind' in part || part.events !== undefined) continue
      const found = await inflateFrame(part.frame, this.#limits, allowance, signal)
      inflated.set(part, found)
      part.events = found.length
      this.#uncounted--
      this.#events += found.length
      if (this.#events > this.count) throw tooManyEvents(this.count)
    }
    if (this.#events === this.count) this.isClosed = true
    if (!this.isClosed) return undefined
    allowance = this.#allowance(0)
    const events: DataFrame[] = []
    for (const part of this.#parts) {
      if ('kind' in part) events.push(part)
      else {
        const found = inflated.get(part) ?? (await inflateFrame(part.frame, this.#limits, allowance, signal))
        for (const event of found) {
          events.push(event)
          this.#inflated.add(event.body.source.buffer)
        }
      }
    }
    this.#parts.length = 0
    return events
  }

  /**
   * Frees what was inflated; nobody may look into the frames any more. Left to the collector, these megabytes outlive
   * two of its quick rounds and stay until a full one: 60 MB of a busy process.
   */
  free(): void {
    for (const memory of this.#inflated) {
      // A small piece may be of the pool that all of Node's buffers share.
      if (memory instanceof ArrayBuffer && memory.byteLength > Buffer.poolSize) memory.transfer(0)
    }
    this.#inflated.clear()
  }

  #allowance(events: number): Allowance {
    return { bytes: this.#limits.max_inflated_bytes, events: this.count - events }
  }
}

function tooManyEvents(count: number): FrameError {
  return new FrameError('frame_outside_window', `expected ${count} events, as the window frame announced, but there are more`)
}
