import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises'
import { FrameError } from './closing.ts'
import type { CompressedFrame, DataFrame, FrameLimits, Version, WindowFrame } from './frames.ts'
import { type Allowance, free, type Inflated, inflateFrame, type Memory } from './inflate.ts'

/** What a frame that waits costs beside its bytes: a few objects. */
const FRAME_OVERHEAD_BYTES = 128

/**
 * So much of a window is kept between counting its events and handing them on. What is larger is inflated twice, and is
 * never in memory as a whole.
 */
const KEPT_BYTES_MAX = 4 * 1024 * 1024
/** Of what is larger so much is handed out at a time. */
const HANDED_OUT_BYTES = 1024 * 1024
/** After so many compressed frames others have their turn of the event loop. */
const FRAMES_IN_ONE_GO = 64

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
  /** What was inflated of it, while that is little. */
  kept: Kept | undefined
}

interface Kept extends Inflated {
  readonly events: DataFrame[]
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
  #kept_bytes = 0

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
      this.#parts.push({ frame, events: undefined, last_sequence: 0, kept: undefined })
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
   * nothing that was inflated is kept, for a slow sender must not hold it.
   * @throws FrameError for damaged or too large compressed frames
   */
  async isWhole(signal: AbortSignal): Promise<boolean> {
    const allowance = this.#allowance(this.#events, true)
    let isWhole = false
    try {
      // Frames may be added while one is inflated.
      for (let index = 0; index < this.#parts.length; index++) {
        const part = this.#parts[index]
        if (part === undefined || 'kind' in part || part.events !== undefined) continue
        await this.#count(part, allowance, signal)
        if (this.#events > this.count) throw tooManyEvents(this.count)
        if (index % FRAMES_IN_ONE_GO === FRAMES_IN_ONE_GO - 1) await nextTurnOfTheLoop()
      }
      if (this.#events === this.count) this.isClosed = true
      isWhole = this.isClosed
      return isWhole
    } finally {
      if (!isWhole) this.forget()
    }
  }

  /**
   * All events of a window that is whole, in their order, some at a time; the window holds none itself then. Nobody may look
   * into those handed out when the next ones are asked for: their memory is freed.
   */
  async *takeEvents(signal: AbortSignal): AsyncGenerator<readonly DataFrame[]> {
    const allowance = this.#allowance(0, false)
    let next: Kept = { events: [], memory: new Set() }
    let next_bytes = 0
    for (const part of this.#parts.splice(0)) {
      if ('kind' in part) {
        next.events.push(part)
        continue
      }
      for await (const piece of part.kept === undefined
        ? inflateFrame(part.frame, this.#limits, allowance, signal)
        : [part.kept]) {
        addTo(next, piece)
        next_bytes += bytesOf(piece.memory)
        if (next_bytes < HANDED_OUT_BYTES) continue
        yield* handOut(next)
        next = { events: [], memory: new Set() }
        next_bytes = 0
      }
    }
    yield* handOut(next)
  }

  /** Frees what is kept: nobody will take it. */
  forget(): void {
    for (const part of this.#parts) {
      if ('kind' in part || part.kept === undefined) continue
      free(part.kept.memory)
      part.kept = undefined
    }
    this.#kept_bytes = 0
  }

  async #count(part: CompressedPart, allowance: Allowance, signal: AbortSignal): Promise<void> {
    const kept: Kept = { events: [], memory: new Set() }
    part.kept = kept
    let count = 0
    let kept_bytes = 0
    for await (const { events, memory } of inflateFrame(part.frame, this.#limits, allowance, signal)) {
      count += events.length
      part.last_sequence = events.at(-1)?.sequence ?? part.last_sequence
      kept_bytes += bytesOf(memory)
      if (part.kept !== undefined && this.#kept_bytes + kept_bytes > KEPT_BYTES_MAX) {
        free(kept.memory)
        part.kept = undefined
      }
      if (part.kept === undefined) {
        free(memory)
        continue
      }
      addTo(kept, { events, memory })
    }
    if (part.kept !== undefined) this.#kept_bytes += kept_bytes
    part.events = count
    this.#uncounted--
    this.#events += count
  }

  #allowance(events: number, is_look: boolean): Allowance {
    return { bytes: this.#limits.max_inflated_bytes, events: this.count - events, nested: this.count, is_look }
  }
}

function tooManyEvents(count: number): FrameError {
  return new FrameError('frame_outside_window', `expected ${count} events, as the window frame announced, but there are more`)
}

function addTo(kept: Kept, { events, memory }: Inflated): void {
  for (const event of events) kept.events.push(event)
  for (const block of memory) kept.memory.add(block)
}

function bytesOf(memory: Memory): number {
  let bytes = 0
  for (const { byteLength } of memory) bytes += byteLength
  return bytes
}

function* handOut({ events, memory }: Inflated): Generator<readonly DataFrame[]> {
  try {
    if (events.length > 0) yield events
  } finally {
    free(memory)
  }
}
