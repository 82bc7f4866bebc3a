import type { Origin } from '../../core/event.ts'

/** Where in which file an event was. */
export class FileOrigin implements Origin {
  readonly input: string
  readonly #path: string
  readonly #id_beginning: string
  readonly #offset: number
  readonly #checksum: number
  readonly #ordinal: number

  /**
   * @param id_beginning stands for the file in ids, whatever its name
   * @param checksum of the raw line, so that an id can never stand for another content
   * @param ordinal of several events from one line, from 0
   */
  constructor(input: string, path: string, id_beginning: string, offset: number, checksum: number, ordinal: number) {
    this.input = input
    this.#path = path
    this.#id_beginning = id_beginning
    this.#offset = offset
    this.#checksum = checksum
    this.#ordinal = ordinal
  }

  describe(): string {
    return `${this.#path}@${this.#offset}`
  }

  stableId(): string {
    const id = `${this.#id_beginning}${this.#offset}-${this.#checksum.toString(16)}`
    return this.#ordinal === 0 ? id : `${id}.${this.#ordinal}`
  }
}
