/** Below the smallest limit that proxies have by default (1 MiB), with room for doubt. */
const FLOOR_BYTES = 256 * 1024
/** Bodies of that size that must pass before a little more is tried. */
const GROWTH_SHARE = 64

/** How large a body may be: halved when the other side refuses one, growing back slowly while bodies near the limit pass. */
export class SizeLimit {
  readonly #max: number
  #bytes: number

  constructor(bytes_max: number) {
    this.#max = bytes_max
    this.#bytes = bytes_max
  }

  get bytes(): number {
    return this.#bytes
  }

  refused(body_bytes: number): void {
    this.#bytes = Math.min(this.#bytes, Math.max(FLOOR_BYTES, Math.floor(body_bytes / 2)))
  }

  passed(body_bytes: number): void {
    if (this.#bytes < this.#max && body_bytes > this.#bytes / 2) {
      this.#bytes = Math.min(this.#max, this.#bytes + Math.ceil(this.#bytes / GROWTH_SHARE))
    }
  }
}
