/** A piece of a buffer, without a Buffer object of its own: making one costs more than walking a frame. */
export interface Slice {
  readonly source: Buffer
  readonly start: number
  readonly end: number
}

/**
 * Chunks below this are copied together: a sender of single bytes (easy over TLS) would otherwise make us keep
 * a Buffer object of a hundred bytes for each of them.
 */
const SMALL_CHUNK_BYTES = 1024
const JOINT_BLOCK_BYTES = 4096

/**
 * Bytes of a stream that wait to be understood. A piece inside one chunk is handed out as a view of it; one that
 * lies across chunks is copied once, when it is complete. Nothing is allocated for bytes that have not come.
 *
 *     #blocks   [....xxxxxxxx] [xxxxxxxxxxxx] [xxxx]
 *                    ^ #at                        the last one may be a joint block with room behind it
 */
export class ByteQueue {
  #blocks: Buffer[] = []
  /** Where the first block's unread bytes start. */
  #at = 0
  #length = 0
  /** The memory behind the last block, where that is a joint one. */
  #joint: Buffer | undefined
  #joint_used = 0
  /** So many of the first blocks are our own memory. */
  #owned = 0

  /** Unread bytes. */
  get length(): number {
    return this.#length
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#length += chunk.length
    if (chunk.length >= SMALL_CHUNK_BYTES || this.#blocks.length === 0) {
      this.#blocks.push(chunk)
      this.#joint = undefined
      return
    }
    if (this.#joint !== undefined && this.#joint_used + chunk.length <= this.#joint.length) {
      const start = this.#joint_used - (this.#blocks.at(-1)?.length ?? 0)
      this.#joint.set(chunk, this.#joint_used)
      this.#joint_used += chunk.length
      this.#blocks[this.#blocks.length - 1] = this.#joint.subarray(start, this.#joint_used)
      return
    }
    this.#joint = Buffer.allocUnsafeSlow(JOINT_BLOCK_BYTES)
    this.#joint.set(chunk, 0)
    this.#joint_used = chunk.length
    this.#blocks.push(this.#joint.subarray(0, chunk.length))
  }

  /** The unread byte at `offset`, which must be there. */
  byteAt(offset: number): number {
    let index = this.#at + offset
    for (const block of this.#blocks) {
      if (index < block.length) return block[index] ?? 0
      index -= block.length
    }
    throw new RangeError(`expected an offset below ${this.#length}, got ${offset}`)
  }

  /** The big-endian number in the four unread bytes at `offset`, which must be there. */
  uint32At(offset: number): number {
    const first = this.#blocks[0]
    const index = this.#at + offset
    if (first !== undefined && index + 4 <= first.length) return first.readUInt32BE(index)
    const high = (this.byteAt(offset) << 24) | (this.byteAt(offset + 1) << 16)
    return (high | (this.byteAt(offset + 2) << 8) | this.byteAt(offset + 3)) >>> 0
  }

  /** Takes the next `count` bytes, which must be there. */
  take(count: number): Slice {
    const first = this.#blocks[0]
    if (first === undefined || this.#at + count > first.length) return this.#takeAcross(count)
    const start = this.#at
    this.#advance(first, count)
    return { source: first, start, end: start + count }
  }

  /** Drops the next `count` bytes, or as many as there are, and returns how many that were. */
  skip(count: number): number {
    let left = Math.min(count, this.#length)
    const skipped = left
    while (left > 0) {
      const first = this.#blocks[0]
      if (first === undefined) break
      const step = Math.min(left, first.length - this.#at)
      this.#advance(first, step)
      left -= step
    }
    return skipped
  }

  /** A copy of the first unread bytes, at most `count`: for messages. */
  peek(count: number): Buffer {
    const copy = Buffer.alloc(Math.min(count, this.#length))
    for (let offset = 0; offset < copy.length; offset++) copy[offset] = this.byteAt(offset)
    return copy
  }

  /** Copies unread bytes that are not in our own memory, so that the memory of chunks that were pushed may be freed. */
  own(): void {
    for (let index = this.#owned; index < this.#blocks.length; index++) {
      const block = this.#blocks[index]
      if (block === undefined) break
      const start = index === 0 ? this.#at : 0
      const copy = Buffer.allocUnsafeSlow(block.length - start)
      block.copy(copy, 0, start)
      this.#blocks[index] = copy
      if (index === 0) this.#at = 0
    }
    this.#owned = this.#blocks.length
    this.#joint = undefined
  }

  clear(): void {
    this.#blocks = []
    this.#owned = 0
    this.#at = 0
    this.#length = 0
    this.#joint = undefined
  }

  #takeAcross(count: number): Slice {
    const joined = Buffer.allocUnsafeSlow(count)
    let filled = 0
    while (filled < count) {
      const first = this.#blocks[0]
      if (first === undefined) throw new RangeError(`expected at most ${filled} bytes to be taken, got ${count}`)
      const step = Math.min(count - filled, first.length - this.#at)
      first.copy(joined, filled, this.#at, this.#at + step)
      filled += step
      this.#advance(first, step)
    }
    return { source: joined, start: 0, end: count }
  }

  #advance(first: Buffer, step: number): void {
    this.#at += step
    this.#length -= step
    if (this.#at < first.length) return
    // `shift` of a long list moves it: blocks are few, for small ones are joined.
    this.#blocks.shift()
    this.#owned = Math.max(0, this.#owned - 1)
    this.#at = 0
    if (this.#blocks.length === 0) this.#joint = undefined
  }
}
