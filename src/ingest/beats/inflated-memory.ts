export const BLOCK_BYTES = 1024 * 1024
/** What one window may hold as a whole. Of Filebeat's (2,048 events) usual ones have 2 MiB. */
const WHOLE_WINDOW_BYTES_MAX = 5 * BLOCK_BYTES
/** What all may hold together: two windows are inflated at a time. */
const ALL_BYTES_MAX = 2 * WHOLE_WINDOW_BYTES_MAX
/** With less room behind what is used the next block begins. */
const ROOM_BYTES_MIN = 4 * 1024

let leased_bytes = 0

/** How far a memory was used at some time. */
export interface Mark {
  readonly blocks: number
  readonly used_bytes: number
  readonly adopted: number
}

const UNUSED: Mark = { blocks: 0, used_bytes: 0, adopted: 0 }

/**
 * Memory that compressed frames are inflated into, one behind the other. Nobody may look into it once it is disposed of: it is freed at
 * once then. Kept for the next window it would take a thirtieth less processor time, and 20 MB more: V8, which counts such memory,
 * collects its garbage less often (docs/performance.md).
 *
 *     #blocks   [xxxxxxxxxxxx] [xxxxx.......]      #adopted   events that lie across two blocks
 *                                    ^ #used_bytes
 */
export class InflatedMemory implements Disposable {
  /** Somebody still needs what is in it. Else the next piece may be written over it. */
  isHeld = false
  /** What will probably come into it, beside what is in it. */
  expected_bytes = 0
  readonly #blocks: Buffer[] = []
  #used_bytes = 0
  readonly #adopted: ArrayBufferLike[] = []
  #adopted_bytes = 0

  /** Bytes that are in use. */
  get held_bytes(): number {
    return Math.max(0, this.#blocks.length - 1) * BLOCK_BYTES + this.#used_bytes + this.#adopted_bytes
  }

  /** Whether it is too large to be held until a whole window is there, or will be. */
  get isTooMuch(): boolean {
    return this.held_bytes + this.expected_bytes > WHOLE_WINDOW_BYTES_MAX || leased_bytes > ALL_BYTES_MAX
  }

  /** Room to write into, at most `max_bytes` of it. `use` says how much was written. */
  room(max_bytes: number): Buffer {
    let last = this.#blocks.at(-1)
    if (last === undefined || last.length - this.#used_bytes < ROOM_BYTES_MIN) {
      last = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      leased_bytes += BLOCK_BYTES
      this.#blocks.push(last)
      this.#used_bytes = 0
    }
    return last.subarray(this.#used_bytes, this.#used_bytes + max_bytes)
  }

  use(bytes: number): void {
    this.#used_bytes += bytes
  }

  /** Takes over memory of an event, if it is not in here. */
  adopt(memory: ArrayBufferLike): void {
    if (this.#blocks.some(({ buffer }) => buffer === memory) || this.#adopted.at(-1) === memory) return
    this.#adopted.push(memory)
    this.#count(memory.byteLength)
  }

  get mark(): Mark {
    return { blocks: this.#blocks.length, used_bytes: this.#used_bytes, adopted: this.#adopted.length }
  }

  /** Forgets what was written since. */
  backTo(mark: Mark): void {
    while (this.#blocks.length > mark.blocks) giveBack(this.#blocks.pop())
    this.#used_bytes = mark.used_bytes
    for (const memory of this.#adopted.splice(mark.adopted)) {
      this.#count(-memory.byteLength)
      free(memory)
    }
  }

  /** Forgets all, and frees it. */
  clear(): void {
    this.backTo(UNUSED)
  }

  [Symbol.dispose](): void {
    this.isHeld = false
    this.clear()
  }

  #count(bytes: number): void {
    this.#adopted_bytes += bytes
    leased_bytes += bytes
  }
}

function giveBack(block: Buffer | undefined): void {
  if (block === undefined) return
  leased_bytes -= BLOCK_BYTES
  free(block.buffer)
}

/**
 * Frees it at once. Left to the collector, megabytes outlive two of its quick rounds and stay until a full one: 60 MB of a busy
 * process.
 */
export function free(memory: ArrayBufferLike): void {
  // A small piece may be of the pool that all of Node's buffers share.
  if (memory instanceof ArrayBuffer && memory.byteLength > Buffer.poolSize) memory.transfer(0)
}
