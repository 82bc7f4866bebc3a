import type { Origin } from '../../core/event.ts'

/** Where in which file an event was. */
export class FileOrigin implements Origin {
  readonly input: string
  readonly #path: string
  readonly #file_id: string
  readonly #offset: number
  readonly #checksum: number
  readonly #ordinal: number

  /**
   * @param file_id stands for the file in ids, whatever its name
   * @param checksum of the raw line, so that an id can never stand for another content
   * @param ordinal of several events from one line, from 0
   */
  constructor(input: string, path: string, file_id: string, offset: number, checksum: number, ordinal: number) {
    this.input = input
    this.#path = path
    this.#file_id = file_id
    this.#offset = offset
    this.#checksum = checksum
    this.#ordinal = ordinal
  }

  describe(): string {
    return `${this.#path}@${this.#offset}`
  }

  stableId(): string {
    const id = `file-${this.#file_id}-${this.#offset}-${this.#checksum.toString(16)}`
    return this.#ordinal === 0 ? id : `${id}.${this.#ordinal}`
  }
}
