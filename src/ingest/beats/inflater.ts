import { constants, createInflate } from 'node:zlib'
import type { Slice } from './byte-queue.ts'

/**
 * What a stream of Node's zlib works with. Its manual does not know it, but pngjs and others have used it for ten years, for there is no
 * other way to say where inflated bytes go, and to look at some before there are more.
 */
interface Handle {
  readonly onerror: (message: string, number: number, code: string) => void
  /** Fills `to`, and leaves in the write state what is left of `to` and of `from`. */
  writeSync(flush: number, from: Buffer, from_at: number, from_bytes: number, to: Buffer, to_at: number, to_bytes: number): void
  reset(): void
}

interface Parts {
  readonly handle: Handle
  /** Bytes of the target that were left, and of the source. */
  readonly write_state: Uint32Array
}

/** How many that are done wait to be used again: two turns, and a frame inside of a frame in each. */
const IDLE_MAX = 4

const NOTHING = Buffer.alloc(0)

/** A zlib stream can not be understood. */
class ZlibError extends Error {
  /** `Z_DATA_ERROR` */
  readonly code: string

  constructor(code: string) {
    super(`zlib: ${code}`)
    this.code = code
  }
}

/** Inflates one stream after the other, each piece by piece into memory that is given to it, and makes none itself. */
export class Inflater implements Disposable {
  static readonly #idle: Inflater[] = []
  readonly #parts: Parts
  #source: Buffer = NOTHING
  #start = 0
  #at = 0
  #end = 0
  #inflated_bytes = 0
  #failed: string | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    const onerror: Handle['onerror'] = (_message, _number, code) => {
      this.#failed = code
    }
    Object.assign(parts.handle, { onerror })
  }

  /**
   * For one stream, until it is disposed of.
   * @returns `undefined` on a Node whose zlib is made in another way
   */
  static of({ source, start, end }: Slice): Inflater | undefined {
    let inflater = Inflater.#idle.pop()
    if (inflater === undefined) {
      const parts = partsOf(createInflate())
      if (parts === undefined) return undefined
      inflater = new Inflater(parts)
    }
    inflater.#source = source
    inflater.#start = start
    inflater.#at = start
    inflater.#end = end
    inflater.#inflated_bytes = 0
    return inflater
  }

  /**
   * Fills `target`; less is only written when the stream is at its end.
   * @returns bytes written
   * @throws ZlibError for a stream that is damaged or cut short
   */
  inflateInto(target: Buffer): number {
    const { handle, write_state } = this.#parts
    handle.writeSync(constants.Z_FINISH, this.#source, this.#at, this.#end - this.#at, target, 0, target.length)
    if (this.#failed !== undefined) throw new ZlibError(this.#failed)
    const [target_left = 0, source_left = 0] = write_state
    this.#at = this.#end - source_left
    this.#inflated_bytes += target.length - target_left
    return target.length - target_left
  }

  /** What the rest will have, if it has shrunk as much as what was inflated. */
  get expected_bytes(): number {
    return (this.#inflated_bytes * (this.#end - this.#at)) / Math.max(1, this.#at - this.#start)
  }

  [Symbol.dispose](): void {
    this.#source = NOTHING
    this.#failed = undefined
    this.#parts.handle.reset()
    if (this.#failed === undefined && Inflater.#idle.length < IDLE_MAX) Inflater.#idle.push(this)
  }
}

function partsOf(stream: object): Parts | undefined {
  const { _handle: handle, _writeState: write_state } = stream as { readonly _handle?: unknown; readonly _writeState?: unknown }
  return isHandle(handle) && write_state instanceof Uint32Array ? { handle, write_state } : undefined
}

function isHandle(handle: unknown): handle is Handle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'writeSync' in handle &&
    typeof handle.writeSync === 'function' &&
    'reset' in handle &&
    typeof handle.reset === 'function' &&
    'onerror' in handle
  )
}
