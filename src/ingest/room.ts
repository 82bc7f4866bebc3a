import { Shares } from './shares.ts'

/** What takes more than this part of a room may have to wait for ever until others leave so much. */
const LARGE_PART = 2

/**
 * Bytes that were received and not handed on yet, of all that hold some together. Where there is no room, one that is large
 * may be beside the others, so that it gets through however much they send. What several inputs of a process hold is
 * bounded by a room around theirs.
 */
export class Room {
  readonly #shares: Shares
  readonly #around: Room | undefined
  /** What counts against the limit: of all but the large one. */
  #counted_bytes = 0
  #used_bytes = 0
  #large: Lease | undefined

  /** @param bytes_max where no share says more */
  constructor(bytes_max: number, around?: Room) {
    this.#shares = new Shares(bytes_max)
    this.#around = around
  }

  get used_bytes(): number {
    return this.#used_bytes
  }

  /** So many bytes may be held; of several inputs the one with the largest share decides. Disposing of it takes it back. */
  share(bytes_max: number): Disposable {
    return this.#shares.add(bytes_max)
  }

  /** A part that grows with what comes. */
  lease(): Lease {
    return new Lease(this.#around === undefined ? [this] : [this, this.#around])
  }

  /** Whether a lease may grow. */
  admits(lease: Lease, bytes: number): boolean {
    if (this.#large === lease || this.#counted_bytes + bytes <= this.#shares.bytes_max) return true
    const most_bytes = Math.max(lease.held_bytes + bytes, lease.expected_bytes)
    return this.#large === undefined && most_bytes > this.#shares.bytes_max / LARGE_PART
  }

  /** A lease that was admitted grows. */
  add(lease: Lease, bytes: number): void {
    this.#used_bytes += bytes
    if (this.#large === lease) return
    if (this.#counted_bytes + bytes <= this.#shares.bytes_max) this.#counted_bytes += bytes
    else {
      this.#large = lease
      this.#counted_bytes -= lease.held_bytes
    }
  }

  /** A lease gives all back. */
  remove(lease: Lease): void {
    this.#used_bytes -= lease.held_bytes
    if (this.#large === lease) this.#large = undefined
    else this.#counted_bytes -= lease.held_bytes
  }
}

/** What one holds of a room, and of the one around it. */
export class Lease implements Disposable {
  /** What it will hold, as far as that is known. */
  expected_bytes = 0
  readonly #rooms: readonly Room[]
  #held_bytes = 0

  constructor(rooms: readonly Room[]) {
    this.#rooms = rooms
  }

  get held_bytes(): number {
    return this.#held_bytes
  }

  /** Takes so many bytes more, where there is room. */
  grow(bytes: number): boolean {
    if (!this.#rooms.every((room) => room.admits(this, bytes))) return false
    for (const room of this.#rooms) room.add(this, bytes)
    this.#held_bytes += bytes
    return true
  }

  /** Gives all back; it may grow again. */
  [Symbol.dispose](): void {
    for (const room of this.#rooms) room.remove(this)
    this.#held_bytes = 0
  }
}
