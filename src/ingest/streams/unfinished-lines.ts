import { Shares } from '../shares.ts'

/** A connection with a line that has not ended. */
export interface Unfinished {
  /** What it takes now. */
  readonly pending_bytes: number
}

/** What the unfinished lines of several connections take together, and which connection to close when that is too much. */
export class UnfinishedLines<Connection extends Unfinished> {
  readonly #shares: Shares
  readonly #bytes_by_connection = new Map<Connection, number>()
  #bytes = 0

  /** @param bytes_max where no share says more */
  constructor(bytes_max: number) {
    this.#shares = new Shares(bytes_max)
  }

  /** So many bytes may be held; of several inputs the one with the largest share decides. Disposing of it takes it back. */
  share(bytes_max: number): Disposable {
    return this.#shares.add(bytes_max)
  }

  /** @returns the connection with the largest, where they take too much now. What is alone may be larger. */
  hold(connection: Connection, bytes: number): Connection | undefined {
    this.#set(connection, bytes)
    if (!this.#isTooMuch) return undefined
    // A codec may have given out meanwhile what it held.
    for (const [other] of this.#bytes_by_connection) this.#set(other, other === connection ? bytes : other.pending_bytes)
    return this.#isTooMuch ? this.#largest() : undefined
  }

  get #isTooMuch(): boolean {
    return this.#bytes > this.#shares.bytes_max && this.#bytes_by_connection.size > 1
  }

  #set(connection: Connection, bytes: number): void {
    this.#bytes += bytes - (this.#bytes_by_connection.get(connection) ?? 0)
    if (bytes === 0) this.#bytes_by_connection.delete(connection)
    else this.#bytes_by_connection.set(connection, bytes)
  }

  #largest(): Connection | undefined {
    let largest: Connection | undefined
    let most = 0
    for (const [connection, bytes] of this.#bytes_by_connection) {
      if (bytes <= most) continue
      most = bytes
      largest = connection
    }
    return largest
  }
}
