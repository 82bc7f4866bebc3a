import type { Event } from '../core/event.ts'

/**
 * What a held event costs in V8's heap: itself, its origin and its receipt, and its fields, which take about three
 * times their JSON (measured: 3,560 bytes for an envelope of Filebeat of 1,050 bytes whose line was parsed).
 */
const EVENT_BYTES = 512
const HEAP_BYTES_PER_WIRE_BYTE = 3

/** The memory that an event stands for, estimated from its size on the wire. */
export function memoryOf({ size_bytes }: Event): number {
  return EVENT_BYTES + size_bytes * HEAP_BYTES_PER_WIRE_BYTE
}

/**
 * The bytes of events that the process may hold at once (promise 5). Who wants more waits in line; that wait is
 * the backpressure which reaches the sender. A batch larger than the whole budget is let through when nothing else is held.
 */
export class ByteBudget {
  readonly max: number
  #used = 0
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = []

  constructor(max_bytes: number) {
    this.max = max_bytes
  }

  get used(): number {
    return this.#used
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves when there is room; rejects with the signal's reason when it aborts first. */
  async acquire(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const place = { bytes, grant: resolve }
    const leave = (): void => {
      const index = this.#waiting.indexOf(place)
      if (index < 0) return
      this.#waiting.splice(index, 1)
      reject(signal.reason as Error)
      this.#serve()
    }
    signal.addEventListener('abort', leave, { once: true })
    this.#waiting.push(place)
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** Takes room without waiting: for events that filters make of those that have room already. */
  take(bytes: number): void {
    this.#used += bytes
  }

  release(bytes: number): void {
    this.#used -= bytes
    this.#serve()
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#used += first.bytes
      first.grant()
    }
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.max
  }
}
