import { FrameError } from './closing.ts'
import type { CompressedFrame, DataFrame, FrameLimits, Version, WindowFrame } from './frames.ts'
import { inflateFrame, type Pass } from './inflate.ts'
import { free, InflatedMemory } from './inflated-memory.ts'

/** What a frame that waits costs beside its bytes: a few objects. */
const FRAME_OVERHEAD_BYTES = 128

/** Of a window that is inflated twice so much is handed out at a time, or a piece. */
const HANDED_OUT_BYTES = 1024 * 1024

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
  last_sequence: number
  /** What is in it, while the window is held. */
  held: readonly DataFrame[] | undefined
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
  /** What is inflated between counting events and handing them on. What is too large for that is inflated twice. */
  #memory: InflatedMemory | undefined

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

  /** Events that have come, as far as they were counted. */
  get events(): number {
    return this.#events
  }

  /** The number of the last event. */
  get last_sequence(): number {
    const last = this.#parts.findLast((part) => 'kind' in part || part.events !== 0)
    if (last === undefined) return 0
    return 'kind' in last ? last.sequence : last.last_sequence
  }

  /** Whether looking into it can tell more: it has all its events, or a compressed frame that was not inflated yet. */
  get isReady(): boolean {
    return this.isClosed || this.#uncounted > 0
  }

  /** @throws FrameError for more than was announced or allowed */
  add(frame: DataFrame | CompressedFrame): void {
    if (frame.kind === 'compressed') {
      // Empty ones cost nothing to send.
      if (this.#parts.length >= this.count) throw tooManyEvents(this.count)
      this.#parts.push({ frame, events: undefined, last_sequence: 0, held: undefined })
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
   * Looks into the compressed frames that have come and counts their events. False when more have to come first: then
   * nothing that was inflated is held, for a slow sender must not hold it.
   * @throws FrameError for damaged or too large compressed frames
   */
  async isWhole(signal: AbortSignal): Promise<boolean> {
    const pass = this.#pass(this.#events, new InflatedMemory())
    this.#memory = pass.memory
    pass.memory.isHeld = true
    let isWhole = false
    try {
      // Frames may be added while one is inflated.
      for (const part of this.#parts) {
        if ('kind' in part || part.events !== undefined) continue
        await this.#count(part, pass, signal)
        if (this.#events > this.count) throw tooManyEvents(this.count)
      }
      if (this.#events === this.count) this.isClosed = true
      isWhole = this.isClosed
      return isWhole
    } finally {
      if (!isWhole || !pass.memory.isHeld) this.forget()
    }
  }

  /**
   * All events of a window that is whole, in their order, some at a time; the window holds none itself then. Nobody may look
   * into those handed out when the next ones are asked for: their memory is freed.
   */
  async *takeEvents(signal: AbortSignal): AsyncGenerator<readonly DataFrame[]> {
    using _held = this.#memory
    this.#memory = undefined
    using memory = new InflatedMemory()
    const pass = this.#pass(0, memory)
    let events: DataFrame[] = []
    for (const part of this.#parts.splice(0)) {
      if ('kind' in part) events.push(part)
      else if (part.held !== undefined) append(events, part.held)
      else {
        for await (const found of inflateFrame(part.frame, this.#limits, pass, signal)) {
          append(events, found)
          memory.isHeld = events.length > 0
          if (memory.held_bytes < HANDED_OUT_BYTES) continue
          if (events.length > 0) yield events
          events = []
          memory.isHeld = false
        }
      }
      if (!('kind' in part)) freeFrame(part.frame)
    }
    if (events.length > 0) yield events
  }

  /** Gives back what is held: nobody will take it. */
  forget(): void {
    for (const part of this.#parts) if (!('kind' in part)) part.held = undefined
    this.#memory?.[Symbol.dispose]()
    this.#memory = undefined
  }

  async #count(part: CompressedPart, pass: Pass, signal: AbortSignal): Promise<void> {
    const held: DataFrame[] = []
    let count = 0
    for await (const events of inflateFrame(part.frame, this.#limits, pass, signal)) {
      count += events.length
      part.last_sequence = events.at(-1)?.sequence ?? part.last_sequence
      // From here on each piece is written over the last one.
      if (pass.memory.isTooMuch) pass.memory.isHeld = false
      if (pass.memory.isHeld) append(held, events)
    }
    if (pass.memory.isHeld) part.held = held
    part.events = count
    this.#uncounted--
    this.#events += count
  }

  #pass(events: number, memory: InflatedMemory): Pass {
    return { bytes: this.#limits.max_inflated_bytes, events: this.count - events, nested: this.count, memory }
  }
}

function tooManyEvents(count: number): FrameError {
  return new FrameError('frame_outside_window', `expected ${count} events, as the window frame announced, but there are more`)
}

/** A frame that came in several chunks was put together: that memory is its own. */
function freeFrame({ body: { source, start, end } }: CompressedFrame): void {
  if (start === 0 && end === source.buffer.byteLength) free(source.buffer)
}

function append(events: DataFrame[], more: readonly DataFrame[]): void {
  for (const event of more) events.push(event)
}
